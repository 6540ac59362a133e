-- Positions, versions and amounts are integers; times are milliseconds since 1970 UTC.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- An alert has the position of its event as id, a case that of the alert it was opened by: a log that is
-- followed again gives the same ids.
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    case_id INTEGER NOT NULL REFERENCES cases (id) DEFERRABLE INITIALLY DEFERRED,
    status TEXT NOT NULL CHECK (status IN ('open', 'labelled', 'disposed', 'expired')),
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event_timestamp INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    source TEXT NOT NULL,
    score INTEGER NOT NULL,
    probability_ppm INTEGER NOT NULL,
    model TEXT NOT NULL,
    amount_minor INTEGER,
    currency TEXT,
    -- 0 low to 3 critical, of cases too.
    severity INTEGER NOT NULL,
    -- What it may cost, in the base currency, and what of that was assumed.
    loss_minor INTEGER NOT NULL,
    assumed TEXT NOT NULL,
    entities TEXT NOT NULL,
    rules TEXT NOT NULL,
    lists TEXT NOT NULL,
    tags TEXT NOT NULL,
    label TEXT,
    label_source TEXT,
    label_position INTEGER
) STRICT;
CREATE INDEX alerts_of_case ON alerts (case_id, id);
CREATE INDEX alerts_by_status ON alerts (status, id);
CREATE INDEX alerts_of_event ON alerts (event_id);

-- Which alerts an entity has, newest first.
CREATE TABLE alert_entities (
    kind TEXT NOT NULL,
    entity TEXT NOT NULL,
    at INTEGER NOT NULL,
    alert_id INTEGER NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    PRIMARY KEY (kind, entity, at, alert_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX entities_of_alert ON alert_entities (alert_id);

CREATE TABLE cases (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'closed', 'merged')),
    opened_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    skill TEXT NOT NULL,
    -- Sum of loss_minor over the open alerts.
    priority INTEGER NOT NULL,
    alerts_open INTEGER NOT NULL,
    alerts_total INTEGER NOT NULL,
    -- Whether somebody has worked on it: it is then merged into no other.
    touched INTEGER NOT NULL,
    assignee TEXT,
    holder TEXT,
    held_until INTEGER,
    snoozed_until INTEGER,
    disposition TEXT,
    closed_by TEXT,
    closed_at INTEGER,
    closed_why TEXT,
    merged_into INTEGER REFERENCES cases (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX cases_queue ON cases (status, priority DESC, id);
CREATE INDEX cases_by_holder ON cases (holder, held_until) WHERE holder IS NOT NULL;
CREATE INDEX cases_merged ON cases (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX cases_by_update ON cases (status, updated_at);

CREATE TABLE case_tags (
    case_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (case_id, tag)
) STRICT, WITHOUT ROWID;

-- Both ways, so that either end finds the other.
CREATE TABLE case_relations (
    case_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    other_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    PRIMARY KEY (case_id, other_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX relations_back ON case_relations (other_id);

CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX notes_of_case ON notes (case_id, id);

CREATE TABLE checklist (
    case_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    item INTEGER NOT NULL,
    text TEXT NOT NULL,
    done_at INTEGER,
    done_by TEXT,
    PRIMARY KEY (case_id, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE attachments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    name TEXT NOT NULL,
    uri TEXT NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;
CREATE INDEX attachments_of_case ON attachments (case_id, id);

-- Labels on their way to the log, oldest first.
CREATE TABLE label_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id INTEGER NOT NULL REFERENCES cases (id) ON DELETE CASCADE,
    alert_id INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'refused')),
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    refusal TEXT,
    refusal_message TEXT
) STRICT;
CREATE INDEX labels_pending ON label_outbox (next_at, id) WHERE status = 'pending';
CREATE INDEX labels_pending_of_alert ON label_outbox (alert_id, id) WHERE status = 'pending';
CREATE INDEX labels_of_case ON label_outbox (case_id, id);

-- Every change, for the audit trail and for webhooks.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    before TEXT,
    after TEXT,
    why TEXT
) STRICT;
CREATE INDEX changes_of_target ON changes (target, seq);
