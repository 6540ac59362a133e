-- A label that is repeated behind another one waits too, because a later label corrects the one before.
CREATE TABLE waiting_labels_3 (
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
    refusal TEXT
) STRICT;
-- No id comes twice, also of labels that are gone.
INSERT INTO sqlite_sequence (name, seq)
SELECT 'waiting_labels_3', seq FROM sqlite_sequence WHERE name = 'waiting_labels';
INSERT INTO waiting_labels_3 (id, event_id, verdict, source, reason, confidence, label_timestamp, received_at,
    status, next_at, attempts, refusal)
SELECT id, event_id, verdict, source, reason, confidence, label_timestamp, received_at,
    status, next_at, attempts, refusal FROM waiting_labels ORDER BY id;
-- Its indexes go with it, in whichever of its forms a file had it.
DROP TABLE waiting_labels;
ALTER TABLE waiting_labels_3 RENAME TO waiting_labels;
CREATE INDEX waiting_of_event ON waiting_labels (event_id) WHERE status = 'waiting';
CREATE INDEX waiting_due_of_event ON waiting_labels (event_id, id) WHERE status = 'due';
CREATE INDEX waiting_due ON waiting_labels (next_at, id) WHERE status = 'due';
CREATE INDEX waiting_by_status ON waiting_labels (status, id);
