// Package crash holds tests that kill processes: a host that dispatches and
// delivers gets SIGKILL in the middle of it, again and again, and several
// workers on a PostgreSQL of their own are stopped, killed and started at
// random while that server crashes too; and a server that crashes or freezes
// under a host at work. It is a module of its own since it needs drivers.
//
// The tests start their own binary anew in the role of the host or worker, and
// count what it sends with a receiver in the test itself, which no crash
// reaches. OUTHOOK_FULL=1 makes them long. PostgreSQL is looked for at
// OUTHOOK_POSTGRES, by default as postgres in the database test of this host;
// the other tests run initdb and pg_ctl from /usr/lib/postgresql, or from
// OUTHOOK_POSTGRES_BIN.
//
// # The bound
//
// A crash can make a receiver see again what was under way, or answered and
// not yet settled. A process has at most Config.MaxInFlight requests under way,
// and claims no more while twice Config.ClaimBatch deliveries wait in it or are
// unsettled; so MaxInFlight + 2*ClaimBatch bounds what one crash repeats. The
// tests print how many it really was at each kill, beside what was lost and
// what was delivered though its transaction was rolled back; and hosts with
// planted faults show that each of these is seen.
package crash
