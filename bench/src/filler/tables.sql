-- What the worker would have made: $CALLS calls and $MESSAGES texts that came evenly between the beginning of last month
-- and $UNTIL, over a thousand lines of which few have most; and a tenth as many objects of everything else. Numbers are
-- those that are set aside for fiction, of every area.

CREATE FUNCTION pg_temp.time_of(number bigint, rows bigint) RETURNS timestamptz LANGUAGE sql STABLE
RETURN ((date_trunc('month', to_timestamp($UNTIL) AT TIME ZONE 'UTC') - interval '1 month') AT TIME ZONE 'UTC')
       + (to_timestamp($UNTIL) - (date_trunc('month', to_timestamp($UNTIL) AT TIME ZONE 'UTC') - interval '1 month')
                                 AT TIME ZONE 'UTC') * (number::double precision / rows);

CREATE FUNCTION pg_temp.id_of(at timestamptz, random text) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(random, 13))::uuid;

CREATE FUNCTION pg_temp.phone(number bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN '+1' || (200 + number / 100 % 800)::text || '55501' || lpad((number % 100)::text, 2, '0');

-- One of a thousand lines, the first ones most often.
CREATE FUNCTION pg_temp.line(number bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN pg_temp.phone(floor(1000 * power(number * 7919 % 100003 / 100003.0, 3))::bigint);

CREATE FUNCTION pg_temp.caller(number bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN pg_temp.phone(1000 + number * 104729 % 79000);

INSERT INTO calls (key, id, provider, external_id, direction, from_number, to_number, line, status, ended, outcome, started_at,
                   ended_at, duration_s, billed_s, last_seen_at, stamps, sources)
SELECT 'twilio:CA' || random, id, CASE number % 3 WHEN 0 THEN 'plivo' ELSE 'twilio' END, 'CA' || random,
       CASE number % 10 WHEN 0 THEN 'outbound' ELSE 'inbound' END, pg_temp.caller(number), pg_temp.line(number),
       pg_temp.line(number), CASE WHEN number % 1000 = 0 THEN 'failed' WHEN number % 20 = 0 THEN 'no-answer' ELSE 'completed' END,
       true, (ARRAY['answered', 'voicemail', 'missed', 'text-back', 'abandoned'])[1 + number % 5], at, at, 42, 60, at,
       jsonb_build_object('status', stamp, 'direction', stamp, 'from_number', stamp, 'to_number', stamp, 'duration_s', stamp),
       jsonb_build_object('status', id, 'direction', id, 'from_number', id, 'to_number', id, 'duration_s', id)
FROM (SELECT number, random, at, pg_temp.id_of(at, random) AS id, jsonb_build_array(true, 5, -1, left(random, 16)) AS stamp
      FROM (SELECT number, md5('call' || number) AS random, pg_temp.time_of(number, $CALLS) AS at
            FROM generate_series(1::bigint, $CALLS) AS number) AS numbers) AS ids;

INSERT INTO messages (key, id, provider, external_id, direction, from_number, to_number, line, contact, body, segments, status,
                      final, received_at, changed_at, stamps, sources)
SELECT 'twilio:SM' || random, id, CASE number % 3 WHEN 0 THEN 'plivo' ELSE 'twilio' END, 'SM' || random,
       CASE number % 2 WHEN 0 THEN 'outbound' ELSE 'inbound' END, pg_temp.caller(number), pg_temp.line(number),
       pg_temp.line(number), pg_temp.caller(number), 'Are you open on Saturday? I would like to come by with two friends.',
       1, CASE WHEN number % 1000 = 0 THEN 'undelivered' WHEN number % 2 = 0 THEN 'delivered' ELSE 'received' END, true, at, at,
       jsonb_build_object('status', stamp, 'body', stamp, 'from_number', stamp, 'to_number', stamp),
       jsonb_build_object('status', id, 'body', id, 'from_number', id, 'to_number', id)
FROM (SELECT number, random, at, pg_temp.id_of(at, random) AS id, jsonb_build_array(true, 5, -1, left(random, 16)) AS stamp
      FROM (SELECT number, md5('message' || number) AS random, pg_temp.time_of(number, $MESSAGES) AS at
            FROM generate_series(1::bigint, $MESSAGES) AS number) AS numbers) AS ids;

CREATE TEMP VIEW objects AS
SELECT number, random, at, pg_temp.id_of(at, random) AS id
FROM (SELECT number, md5('object' || number) AS random, pg_temp.time_of(number, $CALLS / 10) AS at
      FROM generate_series(1::bigint, $CALLS / 10) AS number) AS numbers;

INSERT INTO opt_outs (key, id, line, contact, opted_out, reason, changed_at)
SELECT 'twilio:' || pg_temp.line(number) || ':' || random, id, pg_temp.line(number), pg_temp.caller(number), true, 'keyword', at
FROM objects;

INSERT INTO accounts (key, id, livemode, customer, email, name, line, changed_at)
SELECT 'live::cus_' || number, id, true, 'cus_' || number, 'ada@example.com', 'Ada', pg_temp.line(number), at FROM objects;

INSERT INTO subscriptions (key, id, account, livemode, external_id, status, changed_at)
SELECT 'live::sub_' || number, id, 'live::cus_' || number, true, 'sub_' || number,
       CASE number % 100 WHEN 0 THEN 'past_due' ELSE 'active' END, at
FROM objects;

INSERT INTO invoices (key, id, account, subscription, livemode, external_id, status, amount_due, changed_at)
SELECT 'live::in_' || number, id, 'live::cus_' || number % 10000, 'live::sub_' || number % 10000, true, 'in_' || number,
       CASE number % 100 WHEN 0 THEN 'open' ELSE 'paid' END, 4900, at
FROM objects;

DROP VIEW objects;
