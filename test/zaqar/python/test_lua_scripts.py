"""Lets Zaqar's Redis driver read our Lua scripts, which Debian's package lacks, without a write to /usr.

Importing this replaces the driver's reader of scripts. SAHARA_TEST_CLAIM_SCRIPT chooses the claim script:
`stock` behaves as upstream's, `safe` keeps the promise of the API (see ../lua).
"""
import os
import pathlib

from zaqar.storage.redis import scripting

_FOLDER = pathlib.Path(__file__).resolve().parent.parent / 'lua'
_FILES = {
    'index_messages': 'index_messages.lua',
    'claim_messages': 'claim_messages_%s.lua' % os.environ['SAHARA_TEST_CLAIM_SCRIPT'],
}


def _read_script(name):
    return (_FOLDER / _FILES[name]).read_text(encoding='utf-8')


scripting._read_script = _read_script
