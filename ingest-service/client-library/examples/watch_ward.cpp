// Watches a ward: prints its alarms, and goes on whatever fails between.
//   watch_ward HOST:PORT wards/ID board.pem board.key service-ca.pem       (WARD "": all that the certificate may see)

#include <iostream>

#include "wardlink/client/watch.hpp"

using namespace wardlink;

int main(int count, char** words) try {
  if (count != 6) return 2;
  client::Connection connection({.server = words[1],
                                 .certificate = client::Pem::file(words[3]),
                                 .key = client::Pem::file(words[4]),
                                 .authority = client::Pem::file(words[5])});
  client::Watch watch(connection, {.service = client::WatchOptions::Service::alarms, .parent = words[2]});
  while (const auto event = watch.next()) {
    if (std::holds_alternative<client::PresentState>(*event)) std::cout << "what is open:" << std::endl;
    if (const auto* lost = std::get_if<client::StreamLost>(&*event)) std::cout << lost->error.what() << std::endl;
    const auto* response = std::get_if<v1::WatchResponse>(&*event);
    if (response == nullptr) continue;
    if (response->has_open_alarm()) std::cout << "open: " << response->open_alarm().code() << std::endl;
    if (response->has_alarm_event()) {
      std::cout << v1::AlarmEvent::Change_Name(response->alarm_event().change()) << ": "
                << response->alarm_event().alarm().code() << std::endl;
    }
  }
} catch (const client::Error& error) {
  std::cerr << error.what() << std::endl;
  return 1;
}
