-- Events $FIRST to $LAST of $ROWS that came evenly between the beginning of last month and $UNTIL, as the service would
-- have left them: keys in generations of $GENERATION, each filled in the order in which its events came, and no work
-- left to do. The newest generation is half full, which is what an event finds on average. Seven of ten are callbacks of
-- Twilio, two of Plivo, one is Stripe's, and one of a thousand of these a payment that failed.
-- This is one transaction; all that the benches know of the service's tables stands here and where they are counted.

CREATE TEMP VIEW filler AS
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(random, 13))::uuid AS id,
       md5('key' || random)::uuid AS key,
       at,
       CASE number % 10 WHEN 0 THEN 'cus_' || number % 10000 WHEN 1 THEN random WHEN 2 THEN random ELSE 'CA' || random END
           AS subject,
       CASE WHEN number % 10000 = 0 THEN 'invoice.payment_failed'
            WHEN number % 10 = 0 THEN 'charge.succeeded'
            WHEN number % 10 < 3 THEN 'plivo.hangup'
            ELSE 'twilio.call.status' END AS kind,
       CASE WHEN number % 10 = 0 THEN 'stripe' WHEN number % 10 < 3 THEN 'plivo/hangup' ELSE 'twilio/status' END AS endpoint,
       '1' || (200 + number / 100 % 800)::text || '55501' || lpad((number % 100)::text, 2, '0') AS caller,
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
SELECT id, at, split_part(endpoint, '/', 1), endpoint, subject || ':' || kind || ':' || id, kind, subject, 'POST',
       '/webhooks/' || endpoint,
       json_build_array(json_build_array('content-type', CASE endpoint WHEN 'stripe' THEN 'application/json'
                                                         ELSE 'application/x-www-form-urlencoded' END)),
       convert_to(CASE endpoint
           WHEN 'stripe' THEN
               '{"id":"evt_' || id || '","object":"event","type":"' || kind || '","created":'
               || floor(extract(epoch FROM at)) || ',"livemode":true,"data":{"object":{"id":"in_' || id
               || '","object":"invoice","customer":"' || subject || '","status":"open","amount_due":4900}}}'
           WHEN 'plivo/hangup' THEN
               'CallUUID=' || subject || '&Direction=inbound&From=' || caller || '&To=14155550100&CallStatus=completed'
               || '&Event=Hangup&HangupCauseName=Normal+Hangup&Duration=42&BillDuration=60'
           ELSE
               'CallSid=' || subject || '&Direction=inbound&From=%2B' || caller || '&To=%2B14155550100'
               || '&CallStatus=completed&CallDuration=42&SequenceNumber=0'
       END, 'UTF8'), 'A_SECRET[0]'
FROM filler;

INSERT INTO event_keys (key, generation, event_id, first_seen) SELECT key, generation, id, at FROM filler;

UPDATE event_key_generation SET newest = (SELECT max(generation) FROM filler);

DROP VIEW filler;
