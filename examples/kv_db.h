/* SPDX-License-Identifier: MIT */
/* A connection to the database of keys: its settings, its statements. All calls block. */
#ifndef KV_DB_H
#define KV_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KV_KEY_BYTES 512
#define KV_VALUE_BYTES (1 << 20)
/* How long a writer waits for one of another process. */
#define KV_BUSY_MSEC 2000

enum kv_verb { KV_GET, KV_PUT, KV_DELETE, KV_VERBS };

/**
 * struct kv_op - one thing to be done
 * @verb: what.
 * @key: of at most KV_KEY_BYTES.
 * @value: KV_PUT: the new one, not NULL. KV_GET: the one that there is, to be given
 *	back with free(); NULL if there is none.
 * @value_bytes: length of @value.
 * @status: SQLITE_OK: what was written is on the disk; SQLITE_NOTFOUND: no such key;
 *	or why it could not be done.
 * @owner: of the one who asks.
 */
struct kv_op {
	enum kv_verb verb;
	const char *key;
	char *value;
	size_t value_bytes;
	int status;
	void *owner;
};

/* Used by one thread at a time. */
struct kv_db {
	sqlite3 *handle;
	sqlite3_stmt *verbs[KV_VERBS];
};

static inline void kv_db_complain(struct kv_db *db, const char *path)
{
	const char *advice = "is it there, and can it be written?";

	switch (sqlite3_errcode(db->handle)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		advice = "let the other process finish";
		break;
	case SQLITE_FULL:
		advice = "give its disk room";
		break;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		advice = "take another, or a copy of it that is whole";
		break;
	case SQLITE_ABORT:
		advice = "name a file, on a disk of this machine";
		break;
	}
	fprintf(stderr, "database %s: %s; %s\n", path,
		sqlite3_errmsg(db->handle), advice);
}

/* Not all that SQLite can open can have such a journal. */
static inline int kv_db_must_be_wal(void *arg, int nr, char **values,
				    char **names)
{
	(void)arg;
	(void)names;
	return nr != 1 || strcmp(values[0], "wal") != 0;
}

/* The journal is a file of its own, so that readers go on beside a writer. */
static inline int kv_db_set_up(struct kv_db *db)
{
	static const char settings[] = "PRAGMA synchronous = FULL";
	static const char table[] =
		"CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID";
	static const char *const verbs[KV_VERBS] = {
		"SELECT value FROM kv WHERE key = ?",
		"REPLACE INTO kv VALUES (?, ?)",
		"DELETE FROM kv WHERE key = ?",
	};
	int err = sqlite3_exec(db->handle, "PRAGMA journal_mode = WAL",
			       kv_db_must_be_wal, NULL, NULL);

	if (!err)
		err = sqlite3_exec(db->handle, settings, NULL, NULL, NULL);
	if (!err)
		err = sqlite3_exec(db->handle, table, NULL, NULL, NULL);
	for (int v = 0; v < KV_VERBS && !err; v++)
		err = sqlite3_prepare_v3(db->handle, verbs[v], -1,
					 SQLITE_PREPARE_PERSISTENT,
					 &db->verbs[v], NULL);
	return err;
}

/* Safe for one that is not open. */
static inline void kv_db_close(struct kv_db *db)
{
	for (int v = 0; v < KV_VERBS; v++)
		sqlite3_finalize(db->verbs[v]);
	sqlite3_close(db->handle);
	*db = (struct kv_db){ 0 };
}

/* Opens the file at @path, or makes it. Returns whether it could, and says why not. */
static inline bool kv_db_open(struct kv_db *db, const char *path)
{
	int err;

	*db = (struct kv_db){ 0 };
	err = sqlite3_open_v2(path, &db->handle,
			      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				      SQLITE_OPEN_NOMUTEX,
			      NULL);
	if (!err)
		err = sqlite3_busy_timeout(db->handle, KV_BUSY_MSEC);
	if (!err)
		err = kv_db_set_up(db);
	if (err) {
		kv_db_complain(db, path);
		kv_db_close(db);
	}
	return !err;
}

/* Copies the value of the row that was found. */
static inline int kv_db_take(sqlite3_stmt *stmt, struct kv_op *op)
{
	const void *value = sqlite3_column_blob(stmt, 0);

	op->value_bytes = (size_t)sqlite3_column_bytes(stmt, 0);
	op->value = malloc(op->value_bytes + 1);
	if (!op->value)
		return SQLITE_NOMEM;
	if (value)
		memcpy(op->value, value, op->value_bytes);
	return SQLITE_OK;
}

static inline int kv_db_step(struct kv_db *db, struct kv_op *op)
{
	sqlite3_stmt *stmt = db->verbs[op->verb];
	int err = sqlite3_bind_blob64(stmt, 1, op->key, strlen(op->key),
				      SQLITE_STATIC);

	if (!err && op->verb == KV_PUT)
		err = sqlite3_bind_blob64(stmt, 2, op->value, op->value_bytes,
					  SQLITE_STATIC);
	if (!err)
		err = sqlite3_step(stmt);
	if (err == SQLITE_ROW)
		err = kv_db_take(stmt, op);
	else if (err != SQLITE_DONE)
		kv_db_complain(db, sqlite3_db_filename(db->handle, "main"));
	else if (op->verb == KV_GET || !sqlite3_changes(db->handle))
		err = SQLITE_NOTFOUND;
	else
		err = SQLITE_OK;
	sqlite3_reset(stmt);
	return err;
}

static inline int kv_db_say(struct kv_db *db, const char *sql)
{
	int err = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	if (err)
		kv_db_complain(db, sqlite3_db_filename(db->handle, "main"));
	return err;
}

/* All see the same state, which has everything that was written before the call. */
static inline void kv_db_read(struct kv_db *db, struct kv_op **ops, size_t nr)
{
	bool many = nr > 1 && !kv_db_say(db, "BEGIN");

	for (size_t i = 0; i < nr; i++)
		ops[i]->status = kv_db_step(db, ops[i]);
	if (many && !sqlite3_get_autocommit(db->handle))
		kv_db_say(db, "COMMIT");
}

/* All or nothing, and one wait for the disk. */
static inline void kv_db_write(struct kv_db *db, struct kv_op **ops, size_t nr)
{
	int err = nr > 1 ? kv_db_say(db, "BEGIN IMMEDIATE") : 0;

	for (size_t i = 0; i < nr && !err; i++) {
		ops[i]->status = kv_db_step(db, ops[i]);
		if (ops[i]->status != SQLITE_NOTFOUND)
			err = ops[i]->status;
	}
	if (nr > 1 && !err)
		err = kv_db_say(db, "COMMIT");
	if (!sqlite3_get_autocommit(db->handle))
		kv_db_say(db, "ROLLBACK");
	for (size_t i = 0; i < nr && err; i++)
		ops[i]->status = err;
}

#endif /* KV_DB_H */
