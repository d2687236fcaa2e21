CREATE TEMP TABLE "staging" (LIKE "public"."users" INCLUDING DEFAULTS);
COPY "staging" FROM 's3://bucket/users/' CSV IAM_ROLE 'arn:aws:iam::1:role/r';
INSERT INTO "public"."users" ("id", "at", "name") SELECT "id", "at", "name" FROM "staging";
COMMIT;
