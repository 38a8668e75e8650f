// SPDX-License-Identifier: Apache-2.0
/* `ringside inject`: puts the sidecar into the pods of Kubernetes objects, from stdin to stdout. */
#include "inject/inject.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/options.h"
#include "cmd/choices.h"
#include "cmd/commands.h"
#include "net/address.h"
#include "net/tls.h"

#define INPUT_MAX	(64u * 1024 * 1024)
#define PEM_MAX		(256u * 1024) /* an environment variable is no place for more */
#define READ_BYTES	(64u * 1024)
#define SECRET_NAME_MAX 253

struct inject_config {
	const char *image, *collector, *process_access;
	const char *tls_ca, *tls_client_secret, *token_secret;
	bool insecure, remove;
};

static const struct option_def inject_options[] = {
	{"collector", OPTION_TEXT, "HOST[:PORT]",
	 "where the sidecar streams to (default ringside-collector.ringside.svc:9717)",
	 offsetof(struct inject_config, collector), 0, 0},
	{"image", OPTION_TEXT, "IMAGE",
	 "the sidecar's image (default ringside:" RINGSIDE_VERSION ")",
	 offsetof(struct inject_config, image), 0, 0},
	{"tls-ca", OPTION_TEXT, "FILE",
	 "certificates (PEM) that the collector's must be signed by; their text goes into the pod "
	 "(default: the image's)",
	 offsetof(struct inject_config, tls_ca), 0, 0},
	{"tls-client-secret", OPTION_TEXT, "NAME",
	 "a secret of type kubernetes.io/tls in the pod's namespace: the certificate that the "
	 "sidecar shows",
	 offsetof(struct inject_config, tls_client_secret), 0, 0},
	{"token-secret", OPTION_TEXT, "NAME",
	 "a secret in the pod's namespace whose key token holds the token that the sidecar shows",
	 offsetof(struct inject_config, token_secret), 0, 0},
	{"insecure", OPTION_FLAG, NULL, "let the sidecar stream over plain TCP",
	 offsetof(struct inject_config, insecure), 0, 0},
	{"process-access", OPTION_TEXT, "HOW",
	 "how the sidecar reaches the other containers' files, so that their lookups are seen. "
	 "share: they share a PID namespace; hostProc: they stay apart, and the sidecar has the "
	 "node's /proc, mounted; none: they stay apart, and lookups are not seen (default share)",
	 offsetof(struct inject_config, process_access), 0, 0},
	{"remove", OPTION_FLAG, NULL, "take the sidecar out again",
	 offsetof(struct inject_config, remove), 0, 0},
	{0},
};

static const char about[] =
	"Reads a Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob or a List of "
	"them as JSON, from FILE or stdin, and prints it with the sidecar in its pods. Pods that "
	"have it are left alone, and so are those that it can't run in; stderr names them.\n"
	"\n"
	"  kubectl get deployment app -o json | ringside inject | kubectl apply -f -\n"
	"  kubectl get deployment app -o json | ringside inject --remove | kubectl replace -f -\n";

/* 0, or 1: logged. `most` is in bytes. */
static int read_file(const char *name, size_t most, struct buf *buf)
{
	const bool standard = !strcmp(name, "-");
	int err;

	buf_init(buf, 0, most + READ_BYTES);
	err = standard ? buf_read(buf, STDIN_FILENO) : buf_read_file(buf, name);
	if (!err && buf_length(buf) > most)
		err = -EFBIG;
	if (!err)
		return 0;
	log_line(LOG_ERROR, "cannot read", "file", standard ? "stdin" : name, "why",
		 err == -EFBIG ? "it is too long" : strerror(-err), "bytes",
		 err == -EFBIG ? log_u64(most) : NULL, NULL);
	return 1;
}

/* A full disk may hold a part; a pipe's reader then gets the end of a text that is no JSON. */
static int write_all(const char *text, size_t length)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	while (length) {
		const ssize_t n = write(STDOUT_FILENO, text, length);

		if (n > 0) {
			text += n;
			length -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			poll(&out, 1, -1);
		} else if (n == 0 || errno != EINTR) {
			log_line(LOG_ERROR, "cannot write to stdout", "why",
				 strerror(n ? errno : EIO), NULL);
			return 1;
		}
	}
	return 0;
}

static void left_alone(const char *object, const char *why)
{
	log_line(LOG_INFO, "left alone", "object", object, "why", why, NULL);
}

static void refuse(const char *file, const struct inject_trouble *trouble)
{
	log_line(LOG_ERROR, "cannot inject", "file", file, "object",
		 *trouble->object ? trouble->object : NULL, "path",
		 *trouble->path ? trouble->path : NULL, "line",
		 trouble->line ? log_u64(trouble->line) : NULL, "column",
		 trouble->line ? log_u64(trouble->column) : NULL, "why", trouble->why, "do",
		 trouble->todo, NULL);
}

/* What a secret may be called: words of small letters, digits and dashes, joined by dots. */
static int choose_secret(const char *option, const char *name)
{
	const char *at = name;

	if (!name)
		return 0;
	while (strlen(name) <= SECRET_NAME_MAX) {
		const size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");

		if (!length || *at == '-' || at[length - 1] == '-')
			break;
		at += length;
		if (!*at)
			return 0;
		if (*at++ != '.')
			break;
	}
	return choice_wrong(option, name, "no secret can be called so",
			    "give small letters, digits, - and ., 253 at most");
}

static int choose_trust(const struct inject_config *config)
{
	const char *why = config->tls_ca	      ? "--tls-ca is given too"
			  : config->tls_client_secret ? "--tls-client-secret is given too"
			  : config->token_secret      ? "--token-secret is given too"
						      : NULL;
	int err;

	if (config->insecure && why)
		return choice_wrong("--insecure", "1", why, "leave one of the two out");
	err = choose_secret("--tls-client-secret", config->tls_client_secret);
	return err ? err : choose_secret("--token-secret", config->token_secret);
}

static int choose(const struct inject_config *config)
{
	struct address address;

	if (config->collector &&
	    (address_parse(config->collector, &address) || !address.host[0] || !address.port))
		return choice_wrong("--collector", config->collector, "not HOST or HOST:PORT",
				    "give for example ringside-collector.ringside.svc:9717");
	if (config->image && (!*config->image || strpbrk(config->image, " \t\r\n")))
		return choice_wrong("--image", config->image, "not an image's name",
				    "give for example ringside:" RINGSIDE_VERSION);
	if (config->process_access && !inject_knows_access(config->process_access))
		return choice_wrong("--process-access", config->process_access, "no such way",
				    "take share, hostProc or none");
	return choose_trust(config);
}

/* 0 or 2. `given` is what the text came from. */
static int check_ca(const char *given, const char *pem)
{
	if (!strstr(pem, "-----BEGIN CERTIFICATE-----"))
		return choice_wrong("--tls-ca", given, "it holds no certificate in PEM",
				    "give the file that begins with -----BEGIN CERTIFICATE-----");
	if (strstr(pem, "PRIVATE KEY-----"))
		return choice_wrong(
			"--tls-ca", given,
			"it holds a private key, which all who may read the pod would see",
			"give the certificates alone");
	return 0;
}

/* The text of the certificates, ended by a NUL. 0, 1 or 2. */
static int read_ca(const char *given, struct buf *buf, const char **ret_pem)
{
	int err = 0;

	*ret_pem = given;
	if (!given)
		return 0;
	if (tls_pem_is_text(given))
		return check_ca("PEM text", given);
	err = read_file(given, PEM_MAX, buf);
	if (err)
		return err;
	if (buf_put(buf, "", 1))
		return 1;
	*ret_pem = (const char *)buf_head(buf);
	/* What stands behind a NUL would be lost. */
	return check_ca(given, strlen(*ret_pem) + 1 == buf_length(buf) ? *ret_pem : "");
}

static int inject_file(const char *name, const struct inject_change *change)
{
	struct inject_trouble trouble;
	struct buf input;
	char *text = NULL;
	size_t length;
	int err;

	if (read_file(name, INPUT_MAX, &input)) {
		buf_done(&input);
		return 1;
	}
	err = inject_text(change, (const char *)buf_head(&input), buf_length(&input), &text,
			  &length, &trouble);
	buf_done(&input);
	if (err == -EINVAL) {
		refuse(strcmp(name, "-") ? name : "stdin", &trouble);
		return 2;
	}
	if (err)
		log_line(LOG_ERROR, "cannot inject", "why", strerror(-err), NULL);
	err = err ? 1 : write_all(text, length);
	free(text);
	return err;
}

int inject_main(int argc, char **argv)
{
	struct inject_config config = {.image = NULL};
	struct inject_change change;
	struct option_list operands;
	struct buf pem = {.data = NULL};
	int err;

	err = options_parse("inject", "ringside inject [OPTION]... [FILE|-]", about, inject_options,
			    &config, argc, argv, 1, &operands);
	if (err)
		return err > 0 ? 0 : 2;
	signal(SIGPIPE, SIG_IGN);
	err = choose(&config);
	if (err)
		return err;
	change = (struct inject_change){
		.remove = config.remove,
		.insecure = config.insecure,
		.image = config.image,
		.collector = config.collector,
		.process_access = config.process_access,
		.tls_client_secret = config.tls_client_secret,
		.token_secret = config.token_secret,
		.left_alone = left_alone,
	};
	err = read_ca(config.tls_ca, &pem, &change.tls_ca);
	if (!err)
		err = inject_file(operands.count ? operands.value[0] : "-", &change);
	buf_done(&pem);
	return err;
}
