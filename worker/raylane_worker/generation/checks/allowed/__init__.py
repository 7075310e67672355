"""The names that generated code may use, library by library. To allow another one, see docs/extending.md."""
