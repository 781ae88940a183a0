-- Roles, their time-outs and grants as on Supabase.
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role authenticated set statement_timeout = '8s';
alter role anon set statement_timeout = '3s';
grant usage on schema public to anon, authenticated, service_role;

create table analyses (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  status text,
  duration double precision,
  records_processed bigint,
  records_failed bigint
);
create index analyses_created_at_id on analyses (created_at, id);

-- The same with other ids and types.
create table analyses_numbered (
  id bigint primary key,
  created_at timestamptz not null default now(),
  status text,
  duration numeric(12, 2),
  records_processed bigint,
  records_failed bigint
);
create index on analyses_numbered (created_at, id);

create table analyses_named (
  id text collate "C" primary key,
  created_at timestamp not null default (now() at time zone 'utc'),
  status text,
  duration double precision,
  records_processed integer,
  records_failed integer
);
create index on analyses_named (created_at, id);

-- Durations as intervals, in all of PostgreSQL's styles.
create table analyses_interval (like analyses including all);
alter table analyses_interval alter duration type interval using null;
create function iso_8601(interval) returns text language plpgsql set intervalstyle = 'iso_8601' as 'begin return $1; end';
create view analyses_interval_iso as
  select id, created_at, status, iso_8601(duration) as duration, records_processed, records_failed
  from analyses_interval;
create function sql_standard(interval) returns text language plpgsql set intervalstyle = 'sql_standard'
  as 'begin return $1; end';
create view analyses_interval_sql as
  select id, created_at, status, sql_standard(duration) as duration, records_processed, records_failed
  from analyses_interval;
create function postgres_verbose(interval) returns text language plpgsql set intervalstyle = 'postgres_verbose'
  as 'begin return $1; end';
create view analyses_interval_verbose as
  select id, created_at, status, postgres_verbose(duration) as duration, records_processed, records_failed
  from analyses_interval;

-- A status of its own type.
create type state as enum ('completed', 'failed', 'error');
create table analyses_enum (like analyses including all);
alter table analyses_enum alter status type state using null;

-- Figures and statuses of any kind, as a table that nobody looked after may hold them.
create table analyses_loose (
  id text primary key,
  created_at timestamptz not null,
  status jsonb,
  duration text,
  records_processed numeric,
  records_failed text
);

-- Numbers of any size, and ids that may come twice, as in a view whose join multiplies rows.
create table analyses_joined (
  id numeric,
  created_at timestamptz not null,
  status text,
  duration numeric,
  records_processed numeric,
  records_failed numeric
);
create index on analyses_joined (created_at, id);

-- Three of the columns, and no more.
create table analyses_other (id text primary key, created_at timestamptz, status text);

grant select, insert, update, delete on all tables in schema public to service_role;
grant select on analyses to anon;

-- What a key may meet: no grant, row-level security that hides most rows, a query that takes long.
create table analyses_forbidden (like analyses including all);
create table analyses_guarded (like analyses including all);
alter table analyses_guarded enable row level security;
create policy shared on analyses_guarded for select to anon using (status = 'shared');
grant select, insert, update, delete on analyses_guarded to service_role;
create function slowly() returns setof analyses_guarded language plpgsql as 'begin perform pg_sleep(60); end';
create view analyses_slow as select * from slowly();
grant select on analyses_guarded, analyses_slow to anon, service_role;
