-- Rows as the service would have left them: $ROWS events since the beginning of last month, their keys, their work done
-- and their answers emptied. Bodies are short: what was stored before is not read again, only its indexes are. All of
-- what the benches know of the service's tables stands here and in maintenance/drop.sql.

SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET work_mem = '512MB';

SELECT ensure_event_partitions(now(), 1);

CREATE TEMP TABLE filling AS
SELECT number,
       since + (now() - since) * (number::double precision / $ROWS) AS at,
       md5(number::text || 'event') AS random
FROM generate_series(1, $ROWS) AS number,
     (SELECT date_trunc('month', now()) - interval '1 month' AS since) AS begin;

INSERT INTO events (id, provider, endpoint, external_id, kind, subject, received_at, method, path, headers, body,
                    signed_by)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(random, 13))::uuid,
       'twilio', 'twilio_status', 'CA' || random || ':twilio.call.status:completed:0:', 'twilio.call.status',
       'CA' || random, at, 'POST', '/webhooks/twilio/status', '[]', '\x66696c6c6564', 'TWILIO_AUTH_TOKEN[0]'
FROM filling ORDER BY at;

INSERT INTO event_keys (key, event_id, first_seen, last_seen)
SELECT decode(md5(random || 'key'), 'hex'),
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || substr(random, 13))::uuid, at, at
FROM filling ORDER BY 1;

DROP TABLE filling;
