LOCK "public"."users";
CREATE TEMP TABLE "staging" (LIKE "public"."users" INCLUDING DEFAULTS);
COPY "staging" FROM 's3://bucket/users/' CREDENTIALS 'aws_access_key_id=AKIATEST;aws_secret_access_key=secret/with+signs' EMPTYASNULL IGNOREBLANKLINES;
DELETE FROM "public"."users" USING "staging" WHERE "public"."users"."at" = "staging"."at" AND "public"."users"."id" = "staging"."id";
INSERT INTO "public"."users" ("id", "at", "name") SELECT "id", "at", "name" FROM (SELECT "id", "at", "name", ROW_NUMBER() OVER (PARTITION BY "at", "id" ORDER BY "at", "id") AS penstock_row FROM "staging") AS ranked WHERE penstock_row = 1 OR "at" IS NULL OR "id" IS NULL;
COMMIT;
