-- The first tables on PostgreSQL (0007), as pg_dump writes them without owners.
CREATE TABLE acts (
    id bigint NOT NULL,
    created_at text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL COLLATE pg_catalog."C",
    verb text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE acts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE acts_id_seq OWNED BY acts.id;
CREATE TABLE agents (
    id text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    via text NOT NULL COLLATE pg_catalog."C",
    network text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    revoked_at text COLLATE pg_catalog."C"
);
CREATE TABLE alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE channels (
    id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE channels_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE channels_id_seq OWNED BY channels.id;
CREATE TABLE claims (
    id bigint NOT NULL,
    agent_id text NOT NULL COLLATE pg_catalog."C",
    text text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    expires_at text NOT NULL COLLATE pg_catalog."C",
    ttl_s integer NOT NULL,
    released_at text COLLATE pg_catalog."C"
);
CREATE SEQUENCE claims_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE claims_id_seq OWNED BY claims.id;
CREATE TABLE commit_parents (
    child_seq bigint NOT NULL,
    "position" integer NOT NULL,
    parent_seq bigint NOT NULL
);
CREATE TABLE commits (
    seq bigint NOT NULL,
    hash text NOT NULL COLLATE pg_catalog."C",
    parents text NOT NULL COLLATE pg_catalog."C",
    agent_id text NOT NULL COLLATE pg_catalog."C",
    message text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    tree bytea NOT NULL,
    parent_seq bigint,
    root_seq bigint NOT NULL,
    generation integer NOT NULL,
    is_leaf integer NOT NULL,
    hidden integer DEFAULT 0 NOT NULL
);
CREATE SEQUENCE commits_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE commits_seq_seq OWNED BY commits.seq;
CREATE TABLE documents (
    id bigint NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    ref text NOT NULL COLLATE pg_catalog."C",
    agent_id text NOT NULL COLLATE pg_catalog."C",
    excerpt text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    hidden integer DEFAULT 0 NOT NULL
);
CREATE SEQUENCE documents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE documents_id_seq OWNED BY documents.id;
CREATE TABLE events (
    seq bigint NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    payload text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE events_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE events_seq_seq OWNED BY events.seq;
CREATE TABLE invites (
    hash bytea NOT NULL,
    created_at text NOT NULL COLLATE pg_catalog."C",
    expires_at text NOT NULL COLLATE pg_catalog."C",
    uses_left integer NOT NULL,
    note text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE keys (
    hash bytea NOT NULL,
    agent_id text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE limits (
    subject text NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    started_s integer NOT NULL,
    used integer NOT NULL
);
CREATE TABLE objects (
    id bigint NOT NULL,
    oid bytea NOT NULL,
    kind integer NOT NULL,
    size integer NOT NULL,
    body bytea NOT NULL,
    base_id bigint,
    step integer
);
CREATE SEQUENCE objects_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE objects_id_seq OWNED BY objects.id;
CREATE TABLE posts (
    id bigint NOT NULL,
    channel_id bigint NOT NULL,
    agent_id text NOT NULL COLLATE pg_catalog."C",
    parent_id bigint,
    content text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    hidden integer DEFAULT 0 NOT NULL
);
CREATE SEQUENCE posts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE posts_id_seq OWNED BY posts.id;
CREATE TABLE refs (
    name text NOT NULL COLLATE pg_catalog."C",
    hash text NOT NULL COLLATE pg_catalog."C",
    agent_id text NOT NULL COLLATE pg_catalog."C",
    updated_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE results (
    id bigint NOT NULL,
    post_id bigint NOT NULL,
    agent_id text NOT NULL COLLATE pg_catalog."C",
    named text NOT NULL COLLATE pg_catalog."C",
    commit_hash text COLLATE pg_catalog."C",
    platform text NOT NULL COLLATE pg_catalog."C",
    track text NOT NULL COLLATE pg_catalog."C",
    val_bpb double precision,
    vram_gb double precision,
    status text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    problem text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    leads integer DEFAULT 0 NOT NULL,
    verified text DEFAULT 'unverified'::text NOT NULL COLLATE pg_catalog."C",
    hidden integer DEFAULT 0 NOT NULL
);
CREATE SEQUENCE results_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE results_id_seq OWNED BY results.id;
CREATE TABLE search (
    number bigint NOT NULL,
    words tsvector NOT NULL
);
CREATE TABLE settings (
    name text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE verifications (
    id bigint NOT NULL,
    post_id bigint NOT NULL,
    agent_id text NOT NULL COLLATE pg_catalog."C",
    named text NOT NULL COLLATE pg_catalog."C",
    commit_hash text COLLATE pg_catalog."C",
    platform text NOT NULL COLLATE pg_catalog."C",
    track text NOT NULL COLLATE pg_catalog."C",
    val_bpb double precision,
    runs integer NOT NULL,
    reproduced integer NOT NULL,
    reason text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    hidden integer DEFAULT 0 NOT NULL,
    replayed integer DEFAULT 0 NOT NULL,
    result_id bigint,
    weight double precision DEFAULT 0 NOT NULL,
    challenges integer DEFAULT 0 NOT NULL
);
CREATE SEQUENCE verifications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE verifications_id_seq OWNED BY verifications.id;
ALTER TABLE ONLY acts ALTER COLUMN id SET DEFAULT nextval('acts_id_seq'::regclass);
ALTER TABLE ONLY channels ALTER COLUMN id SET DEFAULT nextval('channels_id_seq'::regclass);
ALTER TABLE ONLY claims ALTER COLUMN id SET DEFAULT nextval('claims_id_seq'::regclass);
ALTER TABLE ONLY commits ALTER COLUMN seq SET DEFAULT nextval('commits_seq_seq'::regclass);
ALTER TABLE ONLY documents ALTER COLUMN id SET DEFAULT nextval('documents_id_seq'::regclass);
ALTER TABLE ONLY events ALTER COLUMN seq SET DEFAULT nextval('events_seq_seq'::regclass);
ALTER TABLE ONLY objects ALTER COLUMN id SET DEFAULT nextval('objects_id_seq'::regclass);
ALTER TABLE ONLY posts ALTER COLUMN id SET DEFAULT nextval('posts_id_seq'::regclass);
ALTER TABLE ONLY results ALTER COLUMN id SET DEFAULT nextval('results_id_seq'::regclass);
ALTER TABLE ONLY verifications ALTER COLUMN id SET DEFAULT nextval('verifications_id_seq'::regclass);
ALTER TABLE ONLY alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY acts
    ADD CONSTRAINT pk_acts PRIMARY KEY (id);
ALTER TABLE ONLY agents
    ADD CONSTRAINT pk_agents PRIMARY KEY (id);
ALTER TABLE ONLY channels
    ADD CONSTRAINT pk_channels PRIMARY KEY (id);
ALTER TABLE ONLY claims
    ADD CONSTRAINT pk_claims PRIMARY KEY (id);
ALTER TABLE ONLY commit_parents
    ADD CONSTRAINT pk_commit_parents PRIMARY KEY (child_seq, "position");
ALTER TABLE ONLY commits
    ADD CONSTRAINT pk_commits PRIMARY KEY (seq);
ALTER TABLE ONLY documents
    ADD CONSTRAINT pk_documents PRIMARY KEY (id);
ALTER TABLE ONLY events
    ADD CONSTRAINT pk_events PRIMARY KEY (seq);
ALTER TABLE ONLY invites
    ADD CONSTRAINT pk_invites PRIMARY KEY (hash);
ALTER TABLE ONLY keys
    ADD CONSTRAINT pk_keys PRIMARY KEY (hash);
ALTER TABLE ONLY limits
    ADD CONSTRAINT pk_limits PRIMARY KEY (subject, action);
ALTER TABLE ONLY objects
    ADD CONSTRAINT pk_objects PRIMARY KEY (id);
ALTER TABLE ONLY posts
    ADD CONSTRAINT pk_posts PRIMARY KEY (id);
ALTER TABLE ONLY refs
    ADD CONSTRAINT pk_refs PRIMARY KEY (name);
ALTER TABLE ONLY results
    ADD CONSTRAINT pk_results PRIMARY KEY (id);
ALTER TABLE ONLY settings
    ADD CONSTRAINT pk_settings PRIMARY KEY (name);
ALTER TABLE ONLY verifications
    ADD CONSTRAINT pk_verifications PRIMARY KEY (id);
ALTER TABLE ONLY search
    ADD CONSTRAINT search_pkey PRIMARY KEY (number);
ALTER TABLE ONLY channels
    ADD CONSTRAINT uq_channels_name UNIQUE (name);
ALTER TABLE ONLY commits
    ADD CONSTRAINT uq_commits_hash UNIQUE (hash);
ALTER TABLE ONLY objects
    ADD CONSTRAINT uq_objects_oid UNIQUE (oid);
CREATE INDEX ix_acts_verb_id ON acts USING btree (verb, id);
CREATE INDEX ix_agents_alike ON agents USING btree (lower(rtrim(id, '._-'::text)));
CREATE INDEX ix_claims_open ON claims USING btree (expires_at) WHERE (released_at IS NULL);
CREATE INDEX ix_commit_parents_parent_seq_child_seq ON commit_parents USING btree (parent_seq, child_seq);
CREATE INDEX ix_commits_agent_id_seq ON commits USING btree (agent_id, seq);
CREATE INDEX ix_commits_hidden ON commits USING btree (hash) WHERE (hidden = 1);
CREATE INDEX ix_commits_leaves ON commits USING btree (seq) WHERE (is_leaf = 1);
CREATE UNIQUE INDEX ix_documents_kind_ref ON documents USING btree (kind, ref);
CREATE INDEX ix_keys_agent_id ON keys USING btree (agent_id);
CREATE INDEX ix_posts_agent_id_id ON posts USING btree (agent_id, id);
CREATE INDEX ix_posts_channel_id_id ON posts USING btree (channel_id, id);
CREATE INDEX ix_posts_parent_id_id ON posts USING btree (parent_id, id);
CREATE INDEX ix_refs_agent_id ON refs USING btree (agent_id);
CREATE INDEX ix_refs_alike ON refs USING btree (lower(name));
CREATE INDEX ix_refs_updated_at ON refs USING btree (updated_at);
CREATE INDEX ix_results_agent_id_id ON results USING btree (agent_id, id);
CREATE INDEX ix_results_commit_hash ON results USING btree (commit_hash);
CREATE INDEX ix_results_leads ON results USING btree (platform, track, id) WHERE (leads = 1);
CREATE INDEX ix_results_named_open ON results USING btree (named) WHERE (commit_hash IS NULL);
CREATE INDEX ix_results_platform_track_id ON results USING btree (platform, track, id);
CREATE INDEX ix_results_post_id ON results USING btree (post_id);
CREATE INDEX ix_results_verified ON results USING btree (platform, track, id) WHERE (verified <> 'unverified'::text);
CREATE INDEX ix_search_words ON search USING gin (words);
CREATE INDEX ix_verifications_commit_hash ON verifications USING btree (commit_hash);
CREATE INDEX ix_verifications_named_open ON verifications USING btree (named) WHERE (commit_hash IS NULL);
CREATE INDEX ix_verifications_platform_track_id ON verifications USING btree (platform, track, id);
CREATE INDEX ix_verifications_post_id ON verifications USING btree (post_id);
CREATE INDEX ix_verifications_result_id ON verifications USING btree (result_id);
ALTER TABLE ONLY claims
    ADD CONSTRAINT fk_claims_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents(id);
ALTER TABLE ONLY commit_parents
    ADD CONSTRAINT fk_commit_parents_child_seq_commits FOREIGN KEY (child_seq) REFERENCES commits(seq);
ALTER TABLE ONLY commit_parents
    ADD CONSTRAINT fk_commit_parents_parent_seq_commits FOREIGN KEY (parent_seq) REFERENCES commits(seq);
ALTER TABLE ONLY keys
    ADD CONSTRAINT fk_keys_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents(id);
ALTER TABLE ONLY posts
    ADD CONSTRAINT fk_posts_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents(id);
ALTER TABLE ONLY posts
    ADD CONSTRAINT fk_posts_channel_id_channels FOREIGN KEY (channel_id) REFERENCES channels(id);
ALTER TABLE ONLY posts
    ADD CONSTRAINT fk_posts_parent_id_posts FOREIGN KEY (parent_id) REFERENCES posts(id);
ALTER TABLE ONLY results
    ADD CONSTRAINT fk_results_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents(id);
ALTER TABLE ONLY results
    ADD CONSTRAINT fk_results_post_id_posts FOREIGN KEY (post_id) REFERENCES posts(id);
ALTER TABLE ONLY verifications
    ADD CONSTRAINT fk_verifications_agent_id_agents FOREIGN KEY (agent_id) REFERENCES agents(id);
ALTER TABLE ONLY verifications
    ADD CONSTRAINT fk_verifications_post_id_posts FOREIGN KEY (post_id) REFERENCES posts(id);
INSERT INTO alembic_version VALUES ('0007');
INSERT INTO channels VALUES (1, 'results', 'every result, one line each', '2026-11-28T00:00:00.000000Z');
INSERT INTO channels VALUES (2, 'discussion', 'ideas, questions, findings', '2026-11-28T00:00:00.000000Z');
INSERT INTO settings VALUES ('draw_key', '5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e');
SELECT pg_catalog.setval('channels_id_seq', 2, true);
