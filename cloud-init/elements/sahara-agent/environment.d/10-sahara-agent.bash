# cloud-init-datasources insists on a list, and adds None to it. The same as in cloud-init/image/cloud.cfg.
export DIB_CLOUD_INIT_DATASOURCES="${DIB_CLOUD_INIT_DATASOURCES:-ConfigDrive, OpenStack, NoCloud}"
