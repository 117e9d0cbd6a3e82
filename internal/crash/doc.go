// Package crash holds tests that kill processes: a host that dispatches and
// delivers gets SIGKILL in the middle of it, again and again, and several
// workers on a PostgreSQL of their own are stopped, killed and started at
// random while that server crashes too. It is a module of its own since it
// needs drivers.
//
// The tests start their own binary anew in the role of the host or worker, and
// count what it sends with a receiver in the test itself, which no crash
// reaches. OUTHOOK_FULL=1 makes them long. PostgreSQL is looked for at
// OUTHOOK_POSTGRES, by default as postgres in the database test of this host;
// the other test runs initdb and pg_ctl from /usr/lib/postgresql, or from
// OUTHOOK_POSTGRES_BIN.
//
// # The bound
//
// A crash can make a receiver see again what was under way, or answered and
// not yet settled. Both are under lease at that moment, and a process has at
// most Config.MaxInFlight requests under way and 2*Config.ClaimBatch other
// deliveries claimed. The tests print how many it really was at each kill.
package crash
