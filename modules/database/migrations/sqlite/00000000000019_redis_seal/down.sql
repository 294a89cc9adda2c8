DROP TABLE redis_seal;
