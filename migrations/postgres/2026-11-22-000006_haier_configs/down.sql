DROP TABLE haier_config_secrets;
DROP TABLE haier_configs;
