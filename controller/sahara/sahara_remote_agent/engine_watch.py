"""Hears of instances and clusters that go away.

Sahara tells a remote driver about nothing but calls. It does hand over its
infrastructure engine, though, whose methods are where stacks change: what is
to be done after them is put around them there.
"""

import functools

from oslo_log import log as logging
from sahara import conductor
from sahara import context
from sahara.utils import cluster as cluster_utils

from sahara_remote_agent import deadline as deadlines

LOG = logging.getLogger(__name__)

CONTROLLER_SECONDS = 60


def watch_engine(engine, api, directory):
    """Retires what the engine has taken away: queues, credentials, keys."""
    _afterwards(engine, 'scale_cluster', functools.partial(
        _retire_missing_instances, api, directory))
    _afterwards(engine, 'shutdown_cluster', functools.partial(
        _retire_cluster, api, directory))


def _afterwards(engine, name, then):
    original = getattr(engine, name)

    @functools.wraps(original)
    def wrapper(cluster, *args, **kwargs):
        outcome = original(cluster, *args, **kwargs)
        try:
            then(cluster)
        except Exception:
            # The stack has changed already: that must not fail. What is left
            # can do nothing but wait for commands that nobody sends.
            LOG.exception('Cluster %s: what is gone could not be retired in '
                          'the controller; see docs/sahara.md, "Something '
                          'is left over"', cluster.id)
        return outcome

    setattr(engine, name, wrapper)


def _retire_cluster(api, directory, cluster):
    api.delete_cluster(cluster.id, deadlines.Deadline(CONTROLLER_SECONDS))
    directory.forget_cluster(cluster.id)


def _retire_missing_instances(api, directory, cluster):
    """An instance without a UUID never enrolled, and one that Sahara knows
    stays."""
    deadline = deadlines.Deadline(CONTROLLER_SECONDS)
    current = conductor.API.cluster_get(context.ctx(), cluster)
    present = {instance.instance_id.lower()
               for instance in cluster_utils.get_instances(current)}
    for instance in api.list_instances(cluster.id, deadline):
        uuid = (instance.get('instanceUuid') or '').lower()
        if uuid and uuid not in present:
            api.delete_instance(cluster.id, instance['name'], deadline)
    directory.forget_cluster(cluster.id)
