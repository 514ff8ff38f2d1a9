"""Zaqar's HTTP service for uwsgi (--wsgi-file), with our Lua scripts. Its options come by --pyargv."""
import test_lua_scripts  # noqa: F401, must come before Zaqar reads a script

from zaqar.transport.wsgi.app import application  # noqa: F401
