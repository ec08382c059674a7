/* SPDX-License-Identifier: MIT */
/* An HTTP/1.x request head, parsed in place (RFC 9112): no I/O, no allocation. */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HTTP_BAD_REQUEST "400 Bad Request"
/* What names are made of. */
#define HTTP_TOKEN                  \
	"!#$%&'*+-.^_`|~0123456789" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/**
 * struct http_request - what the server must know of a request
 * @refusal: status to refuse it with; NULL to answer it.
 * @method: one of those that are allowed, unless it is refused.
 * @path: decoded, without the query; begins with '/'.
 * @head_bytes: length of the request's head; what follows is its body, or the next
 *	request.
 * @body_bytes: Content-Length.
 * @is_head: the answer has no body.
 * @keep_alive: another request may follow. Not after a body, unless that is read.
 * @may_stay: what @keep_alive is once the body is read.
 * @chunked: Transfer-Encoding: chunked.
 * @expects: Expect: 100-continue.
 * @says_close: Connection: close.
 * @says_keep: Connection: keep-alive.
 * @minor: HTTP/1.@minor.
 * @hosts: Host fields.
 * @lengths: Content-Length fields.
 */
struct http_request {
	const char *refusal, *method, *path;
	size_t head_bytes;
	uint64_t body_bytes;
	bool is_head, keep_alive, may_stay, chunked, expects;
	bool says_close, says_keep;
	unsigned int minor, hosts, lengths;
};

/* Bytes to the blank line that ends the head; 0 not there yet; -1 a bare LF. */
static inline long http_head_bytes(const char *buf, size_t len)
{
	const char *line = buf, *lf;
	bool begun = false;

	while ((lf = memchr(line, '\n', (size_t)(buf + len - line)))) {
		if (lf == line || lf[-1] != '\r')
			return -1;
		if (lf - line > 1)
			begun = true;
		else if (begun)
			return lf + 1 - buf;
		line = lf + 1;
	}
	return 0;
}

/* Cuts the next line off *@at; NULL if it has a control character in it. */
static inline char *http_line(char **at)
{
	char *line = *at, *end = line;

	while (*end == '\t' || !iscntrl((unsigned char)*end))
		end++;
	if (end[0] != '\r' || end[1] != '\n')
		return NULL;
	*end = '\0';
	*at = end + 2;
	return line;
}

/* Is @word in the comma separated @list? */
static inline bool http_has_word(const char *list, const char *word)
{
	size_t n;

	for (; *list; list += n) {
		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == strlen(word) && !strncasecmp(list, word, n))
			return true;
	}
	return false;
}

/* Takes note of one header field. Returns NULL or a refusal. */
static inline const char *http_field(struct http_request *req, char *name)
{
	char *value = name + strspn(name, HTTP_TOKEN), *end;

	if (value == name || *value != ':')
		return HTTP_BAD_REQUEST;
	*value++ = '\0';
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && isblank(end[-1]))
		*--end = '\0';
	if (!strcasecmp(name, "Host")) {
		req->hosts++;
	} else if (!strcasecmp(name, "Connection")) {
		req->says_close |= http_has_word(value, "close");
		req->says_keep |= http_has_word(value, "keep-alive");
	} else if (!strcasecmp(name, "Transfer-Encoding")) {
		if (req->chunked || strcasecmp(value, "chunked"))
			return "501 Not Implemented";
		req->chunked = true;
	} else if (!strcasecmp(name, "Content-Length")) {
		if (!*value || value[strspn(value, "0123456789")])
			return HTTP_BAD_REQUEST;
		if (end - value > 18)
			return "413 Content Too Large";
		req->lengths++;
		req->body_bytes = strtoull(value, NULL, 10);
	} else if (!strcasecmp(name, "Expect")) {
		req->expects = req->minor && !strcasecmp(value, "100-continue");
	}
	return NULL;
}

/* Reads the fields up to the blank line. Returns NULL or a refusal. */
static inline const char *http_fields(struct http_request *req, char *at)
{
	const char *refusal;
	char *line;

	while ((line = http_line(&at)) && *line) {
		refusal = http_field(req, line);
		if (refusal)
			return refusal;
	}
	if (!line || req->hosts > 1 || req->lengths > 1 ||
	    (req->minor && !req->hosts) ||
	    (req->chunked && (req->lengths || !req->minor)))
		return HTTP_BAD_REQUEST;
	return NULL;
}

/* Decodes the target's path in place. Returns NULL or a refusal. */
static inline const char *http_target(struct http_request *req, char *at)
{
	char hex[3] = "", *out;

	if (!strncasecmp(at, "http://", 7))
		at += 7 + strcspn(at + 7, "/?");
	req->path = *at == '/' ? at : "/";
	if (*at != '/')
		return !*at || *at == '?' ? NULL : HTTP_BAD_REQUEST;
	for (out = at; *at && *at != '?'; at++) {
		*out = *at;
		if (*at == '%') {
			if (!isxdigit((unsigned char)at[1]) ||
			    !isxdigit((unsigned char)at[2]))
				return HTTP_BAD_REQUEST;
			memcpy(hex, at + 1, 2);
			*out = (char)strtoul(hex, NULL, 16);
			at += 2;
		}
		if (!*out++)
			return HTTP_BAD_REQUEST;
	}
	*out = '\0';
	return NULL;
}

/* Methods mind their case. Returns NULL if @method is in @allow, or a refusal. */
static inline const char *http_method(const char *allow, const char *method)
{
	if (method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return "501 Not Implemented";
	if (http_has_word(allow, method))
		return NULL;
	if (http_has_word("GET,HEAD,POST,PUT,DELETE,OPTIONS,TRACE,CONNECT,PATCH",
			  method))
		return "405 Method Not Allowed";
	return "501 Not Implemented";
}

/* All of a head that is there. Returns NULL or a refusal. */
static inline const char *http_head(struct http_request *req, const char *allow,
				    char *at)
{
	char *line = http_line(&at);
	const char *refusal, *method = strsep(&line, " ");
	char *target = strsep(&line, " ");

	if (!line || !*method || method[strspn(method, HTTP_TOKEN)] ||
	    !*target || strncmp(line, "HTTP/", 5) ||
	    !isdigit((unsigned char)line[5]) || line[6] != '.' ||
	    !isdigit((unsigned char)line[7]) || line[8])
		return HTTP_BAD_REQUEST;
	if (line[5] != '1')
		return "505 HTTP Version Not Supported";
	req->minor = (unsigned int)(line[7] - '0');
	req->method = method;
	req->is_head = !strcmp(method, "HEAD");
	refusal = http_fields(req, at);
	if (refusal)
		return refusal;
	req->may_stay = !req->says_close && (req->minor || req->says_keep);
	req->keep_alive = req->may_stay && !req->body_bytes && !req->chunked;
	refusal = http_method(allow, method);
	return refusal ? refusal : http_target(req, target);
}

/**
 * http_parse() - parse the request at the beginning of a buffer
 * @req: filled as far as the request could be understood.
 * @allow: methods, as in the field Allow.
 * @buf: what was received; changed when the head is complete.
 * @len: bytes in @buf.
 *
 * Return: false if more must be received.
 */
static inline bool http_parse(struct http_request *req, const char *allow,
			      char *buf, size_t len)
{
	long head = http_head_bytes(buf, len);

	*req = (struct http_request){ .refusal = HTTP_BAD_REQUEST };
	if (head <= 0)
		return head;
	while (buf[0] == '\r' && buf[1] == '\n')
		buf += 2;
	req->refusal = http_head(req, allow, buf);
	req->head_bytes = (size_t)head;
	return true;
}

#endif /* HTTP_PARSE_H */
