"""Raylane for clients with a language model: a server of the Model Context Protocol. Needs the extra `[mcp]`.

`import mcp` is the protocol's package everywhere, also here: imports are absolute. See docs/decisions/0046.
"""
