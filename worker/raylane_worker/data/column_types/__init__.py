"""The types of columns of text: what forms cells may have, and which form a whole column has."""
