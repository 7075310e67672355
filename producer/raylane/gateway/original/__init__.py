"""The endpoints of the original app, with its shapes, for clients that know no others."""
