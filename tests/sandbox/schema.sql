-- Roles as on Supabase, and the table in three shapes of id.
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
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

create table analyses_numbered (
  id bigint primary key,
  created_at timestamptz not null default now(),
  status text,
  duration numeric(12, 2),
  records_processed bigint,
  records_failed bigint
);

create table analyses_named (
  id text primary key,
  created_at timestamp not null default (now() at time zone 'utc'),
  status text,
  duration double precision,
  records_processed integer,
  records_failed integer
);

grant select, insert, update, delete on all tables in schema public to service_role;
