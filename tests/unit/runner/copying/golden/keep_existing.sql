SET query_group TO 'night';
LOCK "public"."users";
CREATE TEMP TABLE "staging" (LIKE "public"."users" INCLUDING DEFAULTS);
COPY "staging" FROM 's3://bucket/users/' CREDENTIALS 'aws_access_key_id=AKIATEST;aws_secret_access_key=secret/with+signs' FORMAT AS CSV;
DELETE FROM "staging" USING "public"."users" WHERE "staging"."id" = "public"."users"."id";
INSERT INTO "public"."users" ("id", "at", "name") SELECT "id", "at", "name" FROM (SELECT "id", "at", "name", ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "id") AS penstock_row FROM "staging") AS ranked WHERE penstock_row = 1 OR "id" IS NULL;
COMMIT;
