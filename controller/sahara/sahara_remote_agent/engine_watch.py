"""Hears of instances and clusters that go away.

Sahara tells a remote driver about nothing but calls. It does hand over its
infrastructure engine, though, whose methods are where stacks change: what is
to be done after them is put around them there.
"""

import functools

from oslo_log import log as logging

LOG = logging.getLogger(__name__)


def watch_engine(engine, retirement):
    """Retires what the engine has taken away."""
    _afterwards(engine, 'scale_cluster', retirement.retire_missing,
                retirement)
    _afterwards(engine, 'shutdown_cluster', retirement.retire_cluster,
                retirement)


def _afterwards(engine, name, then, retirement):
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
                          'the controller; it is tried again', cluster.id)
            retirement.retry_later()
        return outcome

    setattr(engine, name, wrapper)
