DROP TABLE replicas;
DROP TABLE upstream_pauses;
