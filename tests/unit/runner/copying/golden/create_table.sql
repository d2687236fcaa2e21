CREATE TABLE users (id int);
CREATE TEMP TABLE "staging" (LIKE "public"."users" INCLUDING DEFAULTS);
COPY "staging" FROM 's3://bucket/users/' CREDENTIALS 'aws_access_key_id=AKIATEST;aws_secret_access_key=secret/with+signs' FORMAT AS CSV;
INSERT INTO "public"."users" ("id", "at", "name") SELECT "id", "at", "name" FROM "staging";
COMMIT;
