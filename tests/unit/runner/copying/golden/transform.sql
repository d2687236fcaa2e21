LOCK "public"."users";
CREATE TEMP TABLE "staging" (LIKE "public"."users" INCLUDING DEFAULTS);
COPY "staging" FROM 's3://bucket/users/' CREDENTIALS 'aws_access_key_id=AKIATEST;aws_secret_access_key=secret/with+signs' FORMAT AS CSV;
CREATE TEMP TABLE "staging_transformed" (LIKE "public"."users" INCLUDING DEFAULTS);
INSERT INTO "staging_transformed" SELECT id, at, upper(name) FROM staging;
DELETE FROM "public"."users" USING "staging_transformed" WHERE "public"."users"."id" = "staging_transformed"."id";
INSERT INTO "public"."users" ("id", "at", "name") SELECT "id", "at", "name" FROM (SELECT "id", "at", "name", ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "id") AS penstock_row FROM "staging_transformed") AS ranked WHERE penstock_row = 1 OR "id" IS NULL;
COMMIT;
