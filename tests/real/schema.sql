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
create index on analyses (created_at, id);

-- The same with other ids.
create table analyses_bigint (like analyses including all);
alter table analyses_bigint alter id drop default, alter id type bigint using 0;
create table analyses_text_c (like analyses including all);
alter table analyses_text_c alter id drop default, alter id type text collate "C" using '';
create table analyses_text_icu (like analyses including all);
alter table analyses_text_icu alter id drop default, alter id type text collate "en-US-x-icu" using '';

-- Durations as intervals, in PostgreSQL's own style and in that of ISO 8601.
create table analyses_interval (like analyses including all);
alter table analyses_interval alter duration type interval using null;
create function iso_8601(interval) returns text language plpgsql set intervalstyle = 'iso_8601' as 'begin return $1; end';
create view analyses_interval_iso as
  select id, created_at, status, iso_8601(duration) as duration, records_processed, records_failed
  from analyses_interval;

-- A status of its own type.
create type state as enum ('completed', 'failed', 'error');
create table analyses_enum (like analyses including all);
alter table analyses_enum alter status type state using null;

grant select, insert, update, delete on all tables in schema public to service_role;

-- What a key may meet: no grant, row-level security without a policy, a column that isn't there, a query that takes long.
create table analyses_not_granted (like analyses including all);
create table analyses_guarded (like analyses including all);
alter table analyses_guarded enable row level security;
create table analyses_without_duration (like analyses including all);
alter table analyses_without_duration drop duration;
create function slowly() returns setof analyses_guarded language plpgsql as 'begin perform pg_sleep(60); end';
create view analyses_slow as select * from slowly();
grant select on analyses_guarded, analyses_without_duration, analyses_slow to anon, service_role;
