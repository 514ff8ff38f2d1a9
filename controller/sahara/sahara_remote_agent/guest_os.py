"""What Sahara asks about the operating system of an instance.

Read from files, without Python on the guest: ``platform.linux_distribution``,
which the SSH driver relies on, left Python in version 3.8.
"""

import re
import shlex

# The second file is the fuller one on CentOS and Red Hat ("7.9.2009"), and
# the only one on release 6.
READ_RELEASE = ('cat /etc/os-release 2>/dev/null || '
                'cat /usr/lib/os-release 2>/dev/null; '
                'echo ---; '
                'cat /etc/centos-release /etc/redhat-release 2>/dev/null; '
                'true')

FIND_PYTHON = ('if python3 --version >/dev/null 2>&1; then echo python3; '
               'else python2 --version >/dev/null && echo python2; fi')

_SAHARA_NAMES = {'rhel': 'redhat', 'ol': 'oracle'}
_APT = ('ubuntu', 'debian')
_YUM = ('redhat', 'centos')


def parse_release(text):
    """``(distribution, version)`` from the output of ``READ_RELEASE``; the
    name is in lower case and as Sahara knows it, both may be empty."""
    os_release, _, legacy = text.partition('---\n')
    fields = dict(re.findall(r'^(\w+)=(.*)$', os_release, re.MULTILINE))
    name = _unquote(fields.get('ID', '')).lower()
    version = _unquote(fields.get('VERSION_ID', ''))
    found = re.search(r'release (\d[\d.]*)', legacy)
    if found:
        version = found.group(1)
        name = name or ('centos' if 'centos' in legacy.lower() else 'redhat')
    return _SAHARA_NAMES.get(name, name), version


def install_command(distribution, version, packages):
    """The shell command that installs packages; None where it is unknown."""
    names = ' '.join(shlex.quote(package) for package in packages)
    if distribution in _APT:
        return 'RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive ' \
            'apt-get install -y ' + names
    manager = _rpm_manager(distribution, version)
    return manager and '%s install -y %s' % (manager, names)


def update_command(distribution, version):
    """The shell command that renews the list of packages; None where it is
    unknown."""
    if distribution in _APT:
        return 'apt-get update'
    manager = _rpm_manager(distribution, version)
    return manager and manager + ' clean all'


def _rpm_manager(distribution, version):
    if distribution in _YUM:
        return 'yum'
    if distribution == 'fedora':
        # As a number: as text, "9" is larger than "22".
        major = re.match(r'\d+', version)
        return 'dnf' if major and int(major.group()) >= 22 else 'yum'
    return None


def _unquote(value):
    try:
        return ''.join(shlex.split(value))
    except ValueError:
        return value
