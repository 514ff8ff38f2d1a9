"""Proves to the controller which server an instance is.

User-data is one for a whole node group, so whoever reads it can say to be any
instance. What stands in a Nova server's metadata can be read by that server
only: the controller makes a challenge for each UUID, it is put there, and
the agent shows it when it enrols.
"""

import collections

from oslo_log import log as logging
from sahara.utils.openstack import base
from sahara.utils.openstack import nova

from sahara_remote_agent import errors

LOG = logging.getLogger(__name__)

REMEMBERED = 16384


class Challenges:
    """Puts challenges where instances look for them; once for each."""

    def __init__(self, api):
        self._api = api
        # (cluster, UUID) of those that are there, or that nobody asks for.
        self._settled = collections.OrderedDict()

    def place(self, target, deadline):
        """Puts the instance's challenge into its server's metadata, unless
        that was done before. Doing it again does no harm: it is the same.

        :raises ControllerRefused: the controller does not know the cluster.
        :raises ChallengeImpossible: Nova would not take it.
        """
        key = (target.cluster, target.uuid)
        if key in self._settled:
            return
        made = self._api.create_challenge(target.cluster, target.uuid,
                                          deadline)
        if made['required']:
            self._write(target, {made['key']: made['challenge']})
        self._settled[key] = True
        while len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)

    def _write(self, target, metadata):
        try:
            base.execute_with_retries(nova.client().servers.set_meta,
                                      target.uuid, metadata)
        except Exception as error:
            failure = errors.ChallengeImpossible(target, error)
            # Sahara, which waits for the instance, would not say why.
            LOG.warning('%s', failure)
            raise failure
