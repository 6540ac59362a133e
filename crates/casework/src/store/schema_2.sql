-- Labels of events that are not in the log yet.
CREATE TABLE waiting_labels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    confidence INTEGER NOT NULL,
    label_timestamp INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'due', 'accepted', 'refused', 'expired')),
    next_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    refusal TEXT,
    UNIQUE (event_id, verdict, source, label_timestamp)
) STRICT;
CREATE INDEX waiting_of_event ON waiting_labels (event_id) WHERE status = 'waiting';
CREATE INDEX waiting_due ON waiting_labels (next_at, id) WHERE status = 'due';
CREATE INDEX waiting_by_status ON waiting_labels (status, id);

-- How long labels took, in whole hours.
CREATE TABLE label_delays (
    source TEXT NOT NULL,
    verdict TEXT NOT NULL,
    hours INTEGER NOT NULL,
    labels INTEGER NOT NULL,
    PRIMARY KEY (source, verdict, hours)
) STRICT, WITHOUT ROWID;

-- Events at which rules held, by the event's position; the label is the one that is counted.
CREATE TABLE rule_hits (
    position INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    rules TEXT NOT NULL,
    label TEXT
) STRICT;
CREATE TABLE rule_counts (
    version INTEGER NOT NULL,
    rule TEXT NOT NULL,
    matched INTEGER NOT NULL,
    shadow INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    frauds INTEGER NOT NULL,
    legitimate INTEGER NOT NULL,
    PRIMARY KEY (version, rule)
) STRICT, WITHOUT ROWID;
