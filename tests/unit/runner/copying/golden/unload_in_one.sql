UNLOAD ('SELECT "id", "at", "name" FROM "public"."users"') TO 's3://bucket/users-' CREDENTIALS 'aws_access_key_id=AKIATEST;aws_secret_access_key=secret/with+signs' PARALLEL OFF ADDQUOTES ALLOWOVERWRITE;
COMMIT;
