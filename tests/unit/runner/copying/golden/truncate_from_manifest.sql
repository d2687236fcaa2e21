LOCK "public"."users";
CREATE TEMP TABLE "staging" (LIKE "public"."users" INCLUDING DEFAULTS);
COPY "staging" FROM 's3://bucket/it''s.manifest' CREDENTIALS 'aws_access_key_id=AKIATEST;aws_secret_access_key=secret/with+signs' FORMAT AS CSV MANIFEST;
DELETE FROM "public"."users";
INSERT INTO "public"."users" ("id", "at", "name") SELECT "id", "at", "name" FROM "staging";
COMMIT;
