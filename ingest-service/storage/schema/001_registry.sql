-- Who is who, who may what, and who did what. Attribution is a join with `assignment`: readings hold no patient.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Instants travel as microseconds since 1970-01-01 UTC. Exact: below 2^53 until the year 2255.
CREATE FUNCTION instant(micros bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT timestamptz '1970-01-01 00:00:00+00' + micros * interval '1 microsecond' $$;

CREATE FUNCTION micros(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (extract(epoch FROM at) * 1000000)::bigint $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  RAISE EXCEPTION '% on % is refused: its rows are only ever added', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TABLE device (
  device_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  urn        text NOT NULL UNIQUE CHECK (octet_length(urn) BETWEEN 1 AND 63),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE ward (
  ward_id      text PRIMARY KEY,
  display_name text NOT NULL DEFAULT ''
);

CREATE TABLE bed (
  ward_id text NOT NULL REFERENCES ward,
  bed_id  text NOT NULL,
  PRIMARY KEY (ward_id, bed_id)
);

CREATE TABLE patient (
  patient_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 200),
  ward_id      text REFERENCES ward,
  bed_id       text,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  FOREIGN KEY (ward_id, bed_id) REFERENCES bed
);
CREATE INDEX patient_ward ON patient (ward_id);

CREATE TABLE patient_identifier (
  patient_id uuid NOT NULL REFERENCES patient,
  system     text NOT NULL,
  value      text NOT NULL,
  PRIMARY KEY (system, value)
);
CREATE INDEX patient_identifier_patient ON patient_identifier (patient_id);

-- Bitemporal: `held` is when the patient wore the device, `recorded` when we believed it. A correction closes `recorded`
-- and adds a row; nothing is overwritten. Among the rows believed at one time no two overlap.
CREATE TABLE assignment (
  device_id   bigint NOT NULL REFERENCES device,
  patient_id  uuid NOT NULL REFERENCES patient,
  held        tstzrange NOT NULL CHECK (NOT isempty(held)),
  recorded    tstzrange NOT NULL,
  recorded_by text NOT NULL,
  CONSTRAINT assignment_one_wearer EXCLUDE USING gist (device_id WITH =, held WITH &&, recorded WITH &&)
);
CREATE INDEX assignment_patient ON assignment (patient_id) WHERE upper_inf(recorded);
CREATE INDEX assignment_device ON assignment (device_id) WHERE upper_inf(recorded);

-- A certificate proves the subject; this says what it may do. No ward = everywhere.
CREATE TABLE grants (
  subject    text NOT NULL,
  role       text NOT NULL CHECK (role IN ('ingest', 'viewer', 'clinician', 'admin')),
  ward_id    text REFERENCES ward,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX grants_once ON grants (subject, role, coalesce(ward_id, ''));

-- Never a vital sign, never a patient's name: only who, what and on which resources.
CREATE TABLE audit (
  audit_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  subject   text NOT NULL,
  method    text NOT NULL,
  outcome   text NOT NULL CHECK (outcome IN ('granted', 'refused')),
  resources text[] NOT NULL DEFAULT '{}',
  reason    text NOT NULL DEFAULT '',
  address   text NOT NULL DEFAULT '',
  count     bigint NOT NULL DEFAULT 1
);
CREATE INDEX audit_at ON audit (at);
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
