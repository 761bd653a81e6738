-- Events $FIRST to $LAST of $ROWS that came evenly between the beginning of last month and $UNTIL, as the service would
-- have left them: keys in generations of $GENERATION, each filled in the order in which its events came, and no work
-- left to do. The newest generation is half full, which is what an event finds on average. Bodies are short: they are
-- not read again.
-- This is one transaction; all that the benches know of the service's tables stands here and where they are counted.

CREATE TEMP VIEW filler AS
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(random, 13))::uuid AS id,
       md5('key' || random)::uuid AS key,
       at,
       'CA' || random AS subject,
       1 + ($ROWS + $GENERATION / 2) / $GENERATION - ($ROWS - number + $GENERATION / 2) / $GENERATION AS generation
FROM (SELECT number,
             since + (to_timestamp($UNTIL) - since) * (number::double precision / $ROWS) AS at,
             md5(number::text) AS random
      FROM generate_series($FIRST::bigint, $LAST) AS number,
           (SELECT (date_trunc('month', to_timestamp($UNTIL) AT TIME ZONE 'UTC') - interval '1 month') AT TIME ZONE 'UTC'
                       AS since) AS begin) AS numbers;

SELECT ensure_key_generation(generation::integer) FROM (SELECT DISTINCT generation FROM filler) AS all_of_them;

INSERT INTO events (id, received_at, provider, endpoint, external_id, kind, subject, method, path, headers, body,
                    signed_by)
SELECT id, at, 'twilio', 'twilio_status', subject || ':twilio.call.status:completed:0:', 'twilio.call.status', subject,
       'POST', '/webhooks/twilio/status', '[]', '\x66696c6c6572', 'TWILIO_AUTH_TOKEN[0]'
FROM filler;

INSERT INTO event_keys (key, generation, event_id, first_seen) SELECT key, generation, id, at FROM filler;

UPDATE event_key_generation SET newest = (SELECT max(generation) FROM filler);

DROP VIEW filler;
