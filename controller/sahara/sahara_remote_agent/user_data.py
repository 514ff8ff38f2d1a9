"""The text that makes an instance start its agent.

Sahara appends it to a ``#!/bin/bash`` script, one for a whole node group, and
hands it to Heat. Heat **rebuilds** every server whose user-data changes when
a cluster is scaled, so a cluster keeps the text that it was born with: it is
stored in the cluster's ``extra``, which Sahara's API does not show.
"""

import re

from sahara import conductor
from sahara import context

from sahara_remote_agent import deadline as deadlines
from sahara_remote_agent import errors

EXTRA_KEY = 'agent_remote'
CONTROLLER_SECONDS = 60
# Nova takes 65535 bytes of base64, and Sahara adds some text of its own.
SCRIPT_LIMIT_BYTES = 40 * 1024

# A subshell keeps its settings and its exit from what comes behind it: Heat's
# wait condition, for one.
_TEMPLATE = """
# ====== Sahara agent ======
(
%(script)s
)
%(more)s"""

_REMOVE_MANAGEMENT_KEY = """
# ====== No SSH for Sahara: the file stays, Sahara looks for it ======
(
keys="${user_home}/.ssh/authorized_keys"
if grep -vxF "${public_key}" "$$keys" >"$$keys.new" || [ $$? -eq 1 ]; then
  cat "$$keys.new" >"$$keys"
fi
rm -f "$$keys.new"
)
"""


def make_template(api, settings):
    """The template for the cluster that Sahara is working on.

    :raises UserDataImpossible: there is no such cluster, or the script cannot
        be an instance's user-data. Better no instance than a deaf one.
    """
    return wrap(_script_of(_current_cluster_id(), api, settings), settings)


def wrap(script, settings):
    """The controller's script as a part of Sahara's template. Pure."""
    if len(script.encode()) > SCRIPT_LIMIT_BYTES:
        raise errors.UserDataImpossible(
            'the controller\'s script is longer than %d bytes'
            % SCRIPT_LIMIT_BYTES)
    return _TEMPLATE % {
        # Sahara substitutes ${...} in it (string.Template).
        'script': script.replace('$', '$$'),
        'more': (_REMOVE_MANAGEMENT_KEY if settings.remove_management_key
                 else '')}


def _current_cluster_id():
    """Sahara says what it works on in its request context."""
    resource = context.current().resource_uuid or ''
    found = re.search(r'cluster: ([0-9a-f-]{36})$', resource)
    if not found:
        raise errors.UserDataImpossible(
            'Sahara does not say for which cluster (its context names "%s")'
            % resource)
    return found.group(1)


def _script_of(cluster_id, api, settings):
    ctx = context.ctx()
    cluster = conductor.API.cluster_get(ctx, cluster_id)
    if cluster is None:
        raise errors.UserDataImpossible('cluster %s is gone' % cluster_id)
    extra = cluster.extra.to_dict() if cluster.extra else {}
    if EXTRA_KEY not in extra:
        extra[EXTRA_KEY] = {
            'user_data': _ask_controller(cluster_id, api, settings)}
        conductor.API.cluster_update(ctx, cluster, {'extra': extra})
    return extra[EXTRA_KEY]['user_data']


def _ask_controller(cluster_id, api, settings):
    deadline = deadlines.Deadline(CONTROLLER_SECONDS)
    try:
        api.create_cluster(cluster_id, deadline)
        return api.create_user_data(cluster_id, settings.user_data_days,
                                    settings.metadata_challenge,
                                    deadline)['userData']
    except errors.RemoteFailure as failure:
        raise errors.UserDataImpossible(str(failure))
