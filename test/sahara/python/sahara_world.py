"""Sahara's own modules, set up as in its engine but for OpenStack's services.

Import it before anything else of Sahara: it patches the standard library as
``sahara-engine`` does.
"""

from sahara.utils import patches

patches.patch_all()

import types
import uuid

from oslo_config import cfg
from sahara import context
from sahara.service.heat import heat_engine
from sahara.utils import remote
from sahara_remote_agent import driver as driver_module
from sahara_remote_agent import options
from sahara_remote_agent import user_data

CLUSTER = '6d1a3c52-0f7f-4a5d-9d8e-3c8f2f0b7a11'


class QuietEngine:
    """An infrastructure engine that changes nothing."""

    def scale_cluster(self, cluster, target_count, instances_to_delete=None):
        return []

    def shutdown_cluster(self, cluster, force=False):
        return None


def set_up_driver(**settings):
    """The driver as Sahara would have set it up; ``settings`` are options."""
    options.register(cfg.CONF)
    cfg.CONF([], project='sahara', default_config_files=[])
    # Not this machine's: a test that owes something names its own.
    settings.setdefault('state_directory', '/proc/none')
    for name, value in settings.items():
        cfg.CONF.set_override(name, value, group=options.GROUP)
    context.set_ctx(context.Context(tenant_name='tenant'))
    context.set_current_cluster_id(CLUSTER)
    made = driver_module.AgentRemoteDriver()
    made.setup_remote(QuietEngine())
    return made


def an_instance(name='worker-1', instance_uuid=None, cluster=CLUSTER,
                user='root', management_ip='203.0.113.5',
                internal_ip='10.0.0.5'):
    """What ``get_remote`` gets, as far as a driver looks at it."""
    group = types.SimpleNamespace(
        image_username=user, cluster_id=cluster,
        cluster=types.SimpleNamespace(id=cluster,
                                      neutron_management_network='net'))
    return types.SimpleNamespace(
        instance_id=instance_uuid or str(uuid.uuid4()), instance_name=name,
        node_group=group, cluster=group.cluster, cluster_id=cluster,
        management_ip=management_ip, internal_ip=internal_ip)


def make_user_data(driver, cluster, public_key, user):
    """What Sahara would give to Heat, without a database of Sahara's."""
    group = types.SimpleNamespace(
        image_username=user,
        cluster=types.SimpleNamespace(management_public_key=public_key))
    script = user_data._ask_controller(cluster, driver._api,
                                       driver._settings)
    remote.DRIVER = types.SimpleNamespace(
        get_userdata_template=lambda: user_data.wrap(script,
                                                     driver._settings))
    return heat_engine.HeatEngine()._generate_user_data_script(group, 'any')
