"""What Sahara loads for ``remote = agent``."""

from oslo_config import cfg
from sahara.utils import remote

from sahara_remote_agent import bounded_cache
from sahara_remote_agent import challenges
from sahara_remote_agent import command
from sahara_remote_agent import controller_api
from sahara_remote_agent import directory
from sahara_remote_agent import engine_watch
from sahara_remote_agent import fair_slots
from sahara_remote_agent import http_sessions
from sahara_remote_agent import options
from sahara_remote_agent import remote as agent_remote
from sahara_remote_agent import retirement
from sahara_remote_agent import user_data

ACCOUNTS_KEPT = 16384


class AgentRemoteDriver(remote.RemoteDriver):
    """One for the whole engine."""

    def setup_remote(self, engine):
        """Runs in the parent, before the worker forks: opens nothing."""
        settings = options.register(cfg.CONF)
        api = controller_api.open_controller(settings)
        instances = directory.InstanceDirectory(
            api, challenges.Challenges(api), settings.enrolment_wait,
            settings.enrolment_warning)
        slots = fair_slots.FairSlots(settings.global_concurrency,
                                     settings.cluster_concurrency)
        self._settings = settings
        self._api = api
        self._commander = command.Commander(api, instances, slots,
                                            settings.output_limit_bytes)
        self._sessions = http_sessions.HttpSessions(self._commander, settings)
        self._accounts = bounded_cache.BoundedCache(ACCOUNTS_KEPT)
        self._retirement = retirement.Retirement(api, instances,
                                                 settings.state_directory)
        engine_watch.watch_engine(engine, self._retirement)

    def get_remote(self, instance):
        self._retirement.take_up()
        return agent_remote.AgentRemote(instance, self._commander,
                                        self._sessions, self._accounts,
                                        self._settings)

    def get_userdata_template(self):
        self._retirement.take_up()
        return user_data.make_template(self._api, self._settings)

    def get_type_and_version(self):
        return 'agent.1.0'
