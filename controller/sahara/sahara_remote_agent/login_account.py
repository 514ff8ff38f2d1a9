"""The login user of an instance: home directory, and numbers of user and
group. Relative paths start there, and files belong to it."""

import collections
import posixpath

LoginAccount = collections.namedtuple('LoginAccount', 'user home uid gid')

READ_ACCOUNT = 'id -u && id -g && printf %s "$HOME"'


def parse_account(user, text):
    """The account from the output of ``READ_ACCOUNT``."""
    uid, gid, home = text.split('\n', 2)
    return LoginAccount(user, home, int(uid), int(gid))


def absolute_path(account, path):
    """The path that sftp and the login shell would mean by ``path``."""
    if path.startswith('~/'):
        path = path[2:]
    return posixpath.join(account.home, path)
