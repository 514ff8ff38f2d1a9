"""All that an operator may say to the driver, in sahara.conf."""

from oslo_config import cfg

GROUP = 'agent_remote'

OPTIONS = [
    cfg.StrOpt('controller_socket',
               default='/var/lib/sahara-controller/controller.sock',
               help='Unix socket of the controller\'s API. Not used when '
                    'controller_url is set.'),
    cfg.URIOpt('controller_url',
               schemes=['http', 'https'],
               help='The controller\'s API over TCP, such as '
                    'https://controller.example:8890. Needs token_file.'),
    cfg.StrOpt('token_file',
               help='File (mode 0600) with the bearer token for '
                    'controller_url. Read again when the controller refuses '
                    'the token.'),
    cfg.StrOpt('ca_file',
               help='PEM certificates to trust for an https controller_url, '
                    'instead of the system\'s.'),
    cfg.StrOpt('state_directory', default='/var/lib/sahara/agent-remote',
               help='Holds an empty file for each cluster of which something '
                    'is still to be taken away in the controller. Made when '
                    'it is needed; its parent must be writable.'),
    cfg.IntOpt('enrolment_wait', default=30, min=0,
               help='Seconds for which one call waits for an instance that '
                    'has not enrolled yet. Sahara calls again until its own '
                    'wait_until_accessible is over.'),
    cfg.IntOpt('enrolment_warning', default=600, min=1,
               help='Seconds after which an instance that has still not '
                    'enrolled is logged as a warning, with the reason where '
                    'the controller knows one.'),
    cfg.IntOpt('user_data_days', default=3650, min=1, max=3650,
               help='Days for which the user-data of a cluster can enrol '
                    'instances. It cannot be renewed: Heat rebuilds every '
                    'instance whose user-data changes.'),
    cfg.BoolOpt('metadata_challenge', default=True,
                help='Let an instance of a new cluster enrol only with the '
                     'challenge that is put into its Nova server\'s '
                     'metadata. Instances must reach the metadata service. '
                     'Without it, whoever has the cluster\'s user-data and '
                     'the UUID of an instance that is booting can come '
                     'before it.'),
    cfg.BoolOpt('remove_management_key', default=False,
                help='Take Sahara\'s management key out of the login user\'s '
                     'authorized_keys at first boot. Some plugins (Spark) '
                     'need it for SSH between the instances.'),
    cfg.IntOpt('global_concurrency', default=512, min=1,
               help='Calls under way at once, all clusters together. One '
                    'call costs one connection to the controller.'),
    cfg.IntOpt('cluster_concurrency', default=384, min=1,
               help='The same for one cluster.'),
    cfg.IntOpt('output_limit_bytes', default=64 * 1024 * 1024, min=1024 * 1024,
               help='The most output, or content of a file, that one call '
                    'fetches. The engine holds it in its memory; a call with '
                    'more raises OutputTooLarge.'),
    cfg.IntOpt('timeout_common', default=300, min=1,
               help='Seconds for a command whose caller names no timeout.'),
    cfg.IntOpt('timeout_interactive', default=1800, min=1,
               help='The same for an interactive command.'),
    cfg.IntOpt('timeout_files', default=600, min=1,
               help='The same for everything else: files, packages, HTTP.'),
]


def register(conf):
    """Registers the options; doing so twice does no harm."""
    conf.register_opts(OPTIONS, group=GROUP)
    return conf[GROUP]


def list_opts():
    """For ``oslo-config-generator --namespace sahara_remote_agent``."""
    return [(GROUP, OPTIONS)]
