/* SPDX-License-Identifier: MIT */
/* The head of an answer: no I/O, no allocation. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "http_parse.h"

/* Longest head that http_put_head() makes. */
#define HTTP_HEAD_BYTES 512

/**
 * http_put_head() - begin an answer
 * @out: room for HTTP_HEAD_BYTES.
 * @req: what is answered.
 * @allow: methods; 405 names them.
 * @status: code and text.
 * @type: of the body; NULL if there is none.
 * @body_bytes: its length.
 *
 * Return: length of the head.
 */
static inline size_t http_put_head(char *out, const struct http_request *req,
				   const char *allow, const char *status,
				   const char *type, uint64_t body_bytes)
{
	time_t now = time(NULL);
	char date[32];
	struct tm tm;
	int len;

	strftime(date, sizeof(date), "%a, %d %b %Y %T", gmtime_r(&now, &tm));
	len = snprintf(out, HTTP_HEAD_BYTES,
		       "HTTP/1.1 %s\r\nDate: %s GMT\r\nConnection: %s\r\n",
		       status, date, req->keep_alive ? "keep-alive" : "close");
	if (!strncmp(status, "405", 3))
		len += snprintf(out + len, HTTP_HEAD_BYTES - (size_t)len,
				"Allow: %s\r\n", allow);
	if (type)
		len += snprintf(out + len, HTTP_HEAD_BYTES - (size_t)len,
				"Content-Type: %s\r\nContent-Length: %" PRIu64
				"\r\n",
				type, body_bytes);
	memcpy(out + len, "\r\n", 2);
	return (size_t)len + 2;
}

#endif /* HTTP_HEAD_H */
