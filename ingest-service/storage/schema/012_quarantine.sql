-- Quarantine as a list, of all devices or of one: a page is a stretch of an index, newest first.
ALTER TABLE quarantine ADD COLUMN quarantine_id bigint GENERATED ALWAYS AS IDENTITY;
CREATE INDEX quarantine_order ON quarantine (received_at, quarantine_id);
CREATE INDEX quarantine_device_order ON quarantine (device_id, received_at, quarantine_id);

-- The alarms that storage raised for what it set aside: one that stands unacknowledged is looked for before another is raised.
CREATE INDEX alarm_event_quarantine ON alarm_event (device_id, priority) WHERE stream = 4 AND code = 'quarantine';
