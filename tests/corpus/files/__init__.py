"""Files as people have them, each with the table that it means. `make corpus` reads them all."""
