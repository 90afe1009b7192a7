"""Lua scripting as a real Redis does it: the libraries, the sandbox, the errors and the conversions.

The hot parts are Lua (`*.lua` beside this file), Python holds what needs the server. Nothing here knows
fakeredis: an engine is given one function that runs a command. Importing this package imports nothing;
`engine` needs lupa.
"""
