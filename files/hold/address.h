/* Addresses of IPv4 and IPv6, in a form that can be compared. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT = 64 };

/* An IPv4 address that a socket of both families shows as ::ffff:a.b.c.d is kept as IPv4. */
struct address {
    int family; /* AF_INET or AF_INET6 */
    unsigned char bytes[16];
    uint32_t scope;
};

struct address address_v4(const void *four);
struct address address_v6(const void *sixteen, uint32_t scope);
bool address_from(const struct sockaddr_storage *from, struct address *address);
socklen_t address_to(const struct address *address, int port, struct sockaddr_storage *to);
bool address_equal(const struct address *one, const struct address *other);
bool address_loopback(const struct address *address);

/* "10.0.0.1:80" or "[fe80::1]:80". */
void address_text(const struct address *address, int port, char text[ADDRESS_TEXT]);
