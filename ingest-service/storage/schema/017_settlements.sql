-- What people say of records in doubt.

-- What a start measured at these ticks, from since until before until by the instants that it was given, and what is in
-- doubt of it, is that patient's; NULL: nobody wore the device. It counts while it is in doubt, and the patient among the candidates; the newest does.
CREATE TABLE settlement (
  settlement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  device_id     bigint NOT NULL,
  boot_id       bigint NOT NULL,
  first_tick    bigint NOT NULL,
  last_tick     bigint NOT NULL,
  since         timestamptz NOT NULL,
  until         timestamptz NOT NULL,
  patient_id    uuid REFERENCES patient,
  recorded_at   timestamptz NOT NULL DEFAULT calendar(),
  recorded_by   text NOT NULL,
  FOREIGN KEY (device_id, boot_id) REFERENCES device_boot,
  CHECK (first_tick <= last_tick AND since < until)
);
CREATE INDEX settlement_of_start ON settlement (device_id, boot_id);
CREATE INDEX settlement_of_patient ON settlement (patient_id);
CREATE TRIGGER settlement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
