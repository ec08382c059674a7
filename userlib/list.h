/* SPDX-License-Identifier: MIT */
/* A doubly linked list whose links live in its members. */
#ifndef CORO_USERLIB_LIST_H
#define CORO_USERLIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_add_tail(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Leaves @node empty, so that a second call does nothing. */
static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Moves all of @from, which is not empty, to @to, which is not a list yet. */
static inline void list_take(struct list *from, struct list *to)
{
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#endif /* CORO_USERLIB_LIST_H */
