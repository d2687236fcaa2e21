CREATE TEMP TABLE "staging" (LIKE "public"."users" INCLUDING DEFAULTS);
COPY "staging" FROM 'dynamodb://Users' CREDENTIALS 'aws_access_key_id=AKIATEST;aws_secret_access_key=secret/with+signs' READRATIO 25 REGION 'us-west-2';
INSERT INTO "public"."users" ("id", "at", "name") SELECT "id", "at", "name" FROM "staging";
COMMIT;
