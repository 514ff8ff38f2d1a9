"""Reading and writing files, with the rights and results that sftp gives."""

from sahara_remote_agent import command
from sahara_remote_agent import login_account

# The agent replaces a file as a whole, by a rename. These are its reasons why
# a user cannot have it done who may well write into the file itself.
_NO_RENAME = frozenset(('permission-denied', 'owner-not-permitted',
                        'file-busy'))

_IN_PLACE = {'replace': 'cat >"$1"', 'append': 'cat >>"$1"'}


def read_request(account, path, run_as_root):
    return command.Request(
        {'name': 'read', 'user': _user(account, run_as_root),
         'path': login_account.absolute_path(account, path)},
        'Reading file "%s"' % path, idempotent=True)


def write_request(account, path, content, placement, run_as_root):
    operation = {'name': 'write', 'placement': placement,
                 'user': _user(account, run_as_root),
                 'path': login_account.absolute_path(account, path)}
    if run_as_root and placement == 'replace':
        # What callers rely on: the SSH driver uploads as the login user, and
        # moves the file as root.
        operation['mode'] = '0644'
        operation['owner'] = '%d:%d' % (account.uid, account.gid)
    return command.Request(operation, 'Writing file "%s"' % path, content,
                           idempotent=placement == 'replace')


def write_in_place_request(account, path, content, placement, run_as_root,
                           failure):
    """The next attempt after ``failure``; None where it would not help."""
    if (run_as_root or placement not in _IN_PLACE or
            failure.reason_code not in _NO_RENAME):
        return None
    return command.Request(
        {'name': 'exec', 'user': account.user, 'contentIs': 'stdin',
         'argv': ['/bin/sh', '-c', _IN_PLACE[placement], 'sh',
                  login_account.absolute_path(account, path)]},
        'Writing file "%s"' % path, content)


def _user(account, run_as_root):
    return 'root' if run_as_root else account.user
