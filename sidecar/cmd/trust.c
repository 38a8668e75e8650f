// SPDX-License-Identifier: Apache-2.0
#include "cmd/trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/choices.h"
#include "net/conn.h"
#include "net/tls.h"

int trust_address(const char *text, struct address *ret_address)
{
	if (!address_parse(text, ret_address) && ret_address->host[0] && ret_address->port)
		return 0;
	return choice_wrong("--collector", text, "not HOST or HOST:PORT",
			    "give for example 10.0.0.1:9717");
}

bool trust_agent_speaks_tls(const struct trust_options *options, const struct address *collector)
{
	return options->ca || (!options->insecure && !address_is_loopback(collector));
}

static int contradiction(const char *option, const char *why, const char *todo)
{
	log_line(LOG_ERROR, "wrong call", "option", option, "why", why, "do", todo, NULL);
	return 2;
}

/* A secret that was given where its file is to be named is not to be logged: only what begins as a path, or is too short for one. */
static const char *shown(const char *file)
{
	return *file == '/' || *file == '.' || strlen(file) < TOKEN_MIN
		       ? file
		       : "(hidden: a secret by the look of it; a path begins with / or .)";
}

static int check_pair(const struct trust_options *options)
{
	if (!options->cert == !options->key)
		return 0;
	return contradiction(options->cert ? "--tls-cert" : "--tls-key",
			     "a certificate and its key belong together",
			     options->cert ? "give --tls-key" : "give --tls-cert");
}

static void files_changed(void *context, const struct tls_error *error)
{
	(void)context;
	if (error)
		log_line(LOG_WARN, "cannot take the new certificates", "option", error->option,
			 "file", error->file, "why", error->why, "do",
			 "mend them: the old ones stay in use until then", NULL);
	else
		log_line(LOG_INFO, "certificates read again", NULL);
}

static int open_tls(const struct tls_config *config, struct tls **ret_tls)
{
	struct tls_error error = {.option = "TLS"};
	int err = tls_net_new(config, &net_real, ret_tls, &error);

	if (!err) {
		tls_listen(*ret_tls, files_changed, NULL);
		return 0;
	}
	if (err == -ENOMEM)
		snprintf(error.why, sizeof(error.why), "%s", strerror(ENOMEM));
	log_line(LOG_ERROR, "cannot use the certificates", "option", error.option, "file",
		 error.option == config->key.option ? shown(error.file) : error.file, "why",
		 error.why, "do", "give a readable file in PEM, or the PEM itself", NULL);
	return 2;
}

/* The token itself is never logged. */
static int read_token(const struct trust_options *options, bool tls,
		      char ret_token[static TOKEN_MAX + 1])
{
	const char *option = options->token ? "--token" : "--token-file";
	int err;

	if (options->token && options->token_file)
		return contradiction("--token", "--token-file gives one too",
				     "leave one of the two out");
	if (!tls)
		return contradiction(option, "a token in the clear is no secret", "give --tls-ca");
	err = options->token ? token_parse(options->token, ret_token)
			     : token_read(options->token_file, ret_token);
	if (!err)
		return 0;
	return choice_wrong(option, options->token ? NULL : shown(options->token_file),
			    err == -EINVAL ? "it holds more or less than a word of 16 to 256 bytes"
					   : strerror(-err),
			    options->token ? "give the token alone"
					   : "give a file that holds the token alone");
}

int trust_agent(const struct trust_options *options, const struct address *collector,
		struct tls **ret_tls, char ret_token[static TOKEN_MAX + 1])
{
	const struct tls_config config = {
		.authority = {"--tls-ca", options->ca ? options->ca : TRUST_CA},
		.certificate = {"--tls-cert", options->cert},
		.key = {"--tls-key", options->key},
		.host = collector->host,
	};
	const bool tls = trust_agent_speaks_tls(options, collector);
	int err;

	if (options->insecure && options->ca)
		return contradiction("--insecure", "--tls-ca asks for TLS",
				     "leave one of the two out");
	err = check_pair(options);
	if (err)
		return err;
	if (!tls && options->cert)
		return contradiction("--tls-cert", "the stream would go in the clear",
				     "give --tls-ca, or leave it out");
	if (options->token || options->token_file)
		err = read_token(options, tls, ret_token);
	if (!err && tls && !options->ca && access(TRUST_CA, F_OK))
		return contradiction("--collector",
				     "beyond loopback the stream needs TLS, and the machine's "
				     "authorities are not in " TRUST_CA,
				     "give --tls-ca, or --insecure on a network you trust");
	return !err && tls ? open_tls(&config, ret_tls) : err;
}

static int open_tokens(const char *file, struct tokens **ret_tokens)
{
	char why[128] = "";
	int err = tokens_new(file, ret_tokens, why, sizeof(why));

	if (!err)
		return 0;
	return choice_wrong("--token-file", shown(file), *why ? why : strerror(-err),
			    "give lines of TOKEN AGENT-ID [KEY=VALUE]...");
}

int trust_collector(const struct trust_options *options, const struct address *listen,
		    const char *listen_text, struct tls **ret_tls, struct tokens **ret_tokens)
{
	const struct tls_config config = {
		.server = true,
		.authority = {"--tls-client-ca", options->client_ca},
		.certificate = {"--tls-cert", options->cert},
		.key = {"--tls-key", options->key},
	};
	int err = check_pair(options);

	if (err)
		return err;
	if (options->insecure && options->cert)
		return contradiction("--insecure", "--tls-cert asks for TLS",
				     "leave one of the two out");
	if (options->client_ca && !options->cert)
		return contradiction("--tls-client-ca", "the streams would come in the clear",
				     "give --tls-cert and --tls-key");
	if (options->token_file && !options->cert)
		return contradiction("--token-file", "a token in the clear is no secret",
				     "give --tls-cert and --tls-key");
	if (!options->cert && !options->insecure && !address_is_loopback(listen)) {
		log_line(LOG_ERROR, "refusing to listen in the clear beyond loopback", "option",
			 "--listen", "value", listen_text, "do",
			 "give --tls-cert and --tls-key, a loopback address, or --insecure on a "
			 "network you trust",
			 NULL);
		return 2;
	}
	if (options->token_file)
		err = open_tokens(options->token_file, ret_tokens);
	return !err && options->cert ? open_tls(&config, ret_tls) : err;
}

void trust_look_again(struct tokens *tokens, const char *file)
{
	char why[128] = "";
	int n = tokens_look_again(tokens, why, sizeof(why));

	if (n < 0)
		log_line(LOG_WARN, "cannot take the new tokens", "option", "--token-file", "file",
			 file, "why", *why ? why : strerror(-n), "do",
			 "mend the file: the old ones stay in use until then", NULL);
	else if (n > 0)
		log_line(LOG_INFO, "tokens read again", "file", file, NULL);
}
